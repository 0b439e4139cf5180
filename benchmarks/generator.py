"""The load generator: a process of its own that reads a `Spec` and prints a `Report`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import uvloop

from . import connecting, idle, overload, steady, storm
from .files import raise_limit
from .findings import Report
from .spec import Kind, Spec

MEASURES: Final[Mapping[Kind, Callable[[Spec], Awaitable[Report]]]] = {
    Kind.CLOSED: steady.measure,
    Kind.PACED: steady.measure,
    Kind.FAN_OUT: steady.measure,
    Kind.IDLE: idle.measure,
    Kind.CONNECT: connecting.measure,
    Kind.STORM: storm.measure,
    Kind.OVERLOAD: overload.measure,
}


async def run(spec: Spec) -> Report:
    """Measures, but an exception in a callback, which an event loop only logs, ends it.

    Raises:
        RuntimeError: there was one.
    """

    async def measured() -> Report:
        return await MEASURES[spec.kind](spec)

    task = asyncio.create_task(measured())
    broken: list[dict[str, Any]] = []

    def on_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        broken.append(context)
        task.cancel()

    asyncio.get_running_loop().set_exception_handler(on_exception)
    try:
        return await task
    except asyncio.CancelledError:
        if not broken:
            raise
        raise RuntimeError(broken[0]["message"]) from broken[0].get("exception")


def main() -> None:
    """Reads the spec from standard input and writes the report to standard output."""
    spec = Spec.decode(sys.stdin.read())
    raise_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(run(spec)).encode())


if __name__ == "__main__":
    main()
