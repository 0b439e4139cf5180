"""A process that holds silent connections until its standard input ends. ``benchmarks.idle`` starts it."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from .client import close
from .crowd import open_crowd
from .files import raise_limit
from .idle import OPEN
from .load import IdleLoad
from .spec import Spec
from .speech import Speech


async def hold(spec: Spec) -> int:
    """Opens, holds, closes; returns how many it lost."""
    speech = Speech(spec.target.dialect)
    load = IdleLoad(speech)
    sockets = await open_crowd(spec, speech, load.socket, spec.connections)
    print(OPEN, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await close(sockets)
    return load.tally.lost


def main() -> int:
    """Reads the spec from the first line of standard input."""
    raise_limit()
    spec = Spec.decode(sys.stdin.readline())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return 1 if runner.run(hold(spec)) else 0


if __name__ == "__main__":
    sys.exit(main())
