"""The load generator: a process of its own that reads a `Spec` and prints a `Report`."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from dataclasses import dataclass
from typing import Any, Final, Protocol

import uvloop

from . import client
from .client import Socket, Tally
from .closed import ClosedLoad
from .fan_out import FanOutLoad
from .figures import percentile
from .meters import core_busy_s, cpu_ns, pss_bytes
from .paced import PacedLoad
from .spec import Kind, Report, Spec

OUTSTANDING_WITHIN_S: Final = 10.0
"""What has not arrived so long after the last message was sent is lost."""
_POLL_S: Final = 0.005


class Load(Protocol):
    """A kind of load."""

    tally: Tally

    def socket(self, index: int) -> Socket:
        """Makes a connection."""
        ...

    def start(self) -> None:
        """Begins to send."""
        ...

    def stop(self) -> None:
        """Sends nothing more."""
        ...


class IdleLoad:
    """Nothing."""

    def __init__(self) -> None:
        self.tally = Tally()

    def socket(self, index: int) -> Socket:
        """Makes a connection."""
        return Socket(self.tally)

    def start(self) -> None:
        """Sends nothing."""

    def stop(self) -> None:
        """Sends nothing."""


def make_load(spec: Spec) -> Load:
    """The load of a run."""
    if spec.kind is Kind.CLOSED:
        return ClosedLoad(spec.latency)
    if spec.kind is Kind.PACED:
        return PacedLoad(spec.rate, spec.latency)
    if spec.kind is Kind.FAN_OUT:
        return FanOutLoad(spec.latency)
    return IdleLoad()


@dataclass(frozen=True, slots=True)
class Sample:
    """All counters at one instant."""

    at_ns: int
    received: int
    cpu_ns: dict[str, int]
    generator_ns: int
    core_busy_s: float | None

    @classmethod
    def take(cls, spec: Spec, tally: Tally) -> Sample:
        """Reads them."""
        return cls(
            time.monotonic_ns(),
            tally.received,
            {role: cpu_ns(pid) for role, pid in spec.pids.items()},
            time.process_time_ns(),
            None if spec.server_core is None else core_busy_s(spec.server_core),
        )


async def run(spec: Spec) -> Report:
    """Makes the connections, offers the load, measures."""
    load = make_load(spec)
    tally = load.tally
    before = {role: pss_bytes(pid) for role, pid in spec.pids.items()} if spec.kind is Kind.IDLE else {}
    sockets = await client.connect(load.socket, spec.connections, spec.host, spec.port, spec.path)
    gc.collect()
    gc.freeze()
    load.start()
    await asyncio.sleep(spec.warm_up_s)
    tally.latencies_ns.clear()
    first = Sample.take(spec, tally)
    await asyncio.sleep(spec.seconds)
    last = Sample.take(spec, tally)
    latencies_ns = sorted(tally.latencies_ns)
    growth = {role: pss_bytes(spec.pids[role]) - was for role, was in before.items()}
    load.stop()
    for _ in range(int(OUTSTANDING_WITHIN_S / _POLL_S)):
        if tally.received >= tally.expected or tally.lost:
            break
        await asyncio.sleep(_POLL_S)
    await client.close(sockets)
    return summarize(first, last, tally, latencies_ns, growth)


def summarize(
    first: Sample, last: Sample, tally: Tally, latencies_ns: list[int], growth: dict[str, int]
) -> Report:
    """The report of what lies between two samples.

    Args:
        first: at the begin of the measured time.
        last: at its end.
        tally: of the whole run.
        latencies_ns: of the measured time, ascending.
        growth: bytes by role.
    """
    window_s = (last.at_ns - first.at_ns) / 1e9
    cpu_us = {role: (now - first.cpu_ns[role]) / 1e3 for role, now in last.cpu_ns.items()}
    others_share = None
    if first.core_busy_s is not None and last.core_busy_s is not None:
        busy_s = last.core_busy_s - first.core_busy_s
        others_share = max(0.0, (busy_s - sum(cpu_us.values()) / 1e6) / window_s)
    return Report(
        expected=tally.expected,
        received=tally.received,
        mismatched=tally.mismatched,
        lost=tally.lost,
        messages=last.received - first.received,
        window_s=window_s,
        cpu_us=cpu_us,
        pss_bytes=growth,
        generator_share=(last.generator_ns - first.generator_ns) / 1e9 / window_s,
        others_share=others_share,
        p50_us=percentile(latencies_ns, 0.5) / 1e3 if latencies_ns else None,
        p99_us=percentile(latencies_ns, 0.99) / 1e3 if latencies_ns else None,
    )


async def run_or_fail(spec: Spec) -> Report:
    """`run`, but an exception in a callback, which an event loop only logs, ends it.

    Raises:
        RuntimeError: there was one.
    """
    task = asyncio.create_task(run(spec))
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
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(run_or_fail(spec)).encode())


if __name__ == "__main__":
    main()
