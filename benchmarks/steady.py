"""Runs a load that goes on evenly: warm-up, measured time, the end of what is outstanding."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from time import monotonic
from typing import Final

from .client import Socket, close
from .closed import ClosedLoad
from .crowd import open_crowd
from .fan_out import FanOutLoad, SlowMember
from .findings import Report
from .load import Load
from .paced import PacedLoad
from .sample import Sampler, summarize
from .spec import Kind, Spec
from .speech import Speech
from .syscalls import calls_per_s
from .tally import Tally

OUTSTANDING_WITHIN_S: Final = 10.0
"""What has not arrived so long after the last message was sent is lost."""
_POLL_S: Final = 0.005


def make_load(spec: Spec, speech: Speech) -> Load:
    """The load of a run."""
    if spec.kind is Kind.PACED:
        return PacedLoad(speech, spec.size, spec.rate, spec.latency)
    if spec.kind is Kind.FAN_OUT:
        return FanOutLoad(speech, spec.size, spec.room_size, spec.slow, spec.latency)
    return ClosedLoad(speech, spec.size, spec.latency)


async def measure(spec: Spec) -> Report:
    """Makes the connections, offers the load, measures."""
    speech = Speech(spec.target.dialect)
    load = make_load(spec, speech)
    room_of = load.room_of if isinstance(load, FanOutLoad) else None
    sockets = await open_crowd(spec, speech, load.socket, spec.connections + spec.slow, room_of)
    sampler = Sampler(spec.target)
    settle()
    load.start()
    await asyncio.sleep(spec.warm_up_s)
    tally = load.tally
    tally.latencies_ns.clear()
    first = sampler.take(tally.received)
    await asyncio.sleep(spec.seconds)
    last = sampler.take(tally.received)
    latencies_ns = sorted(tally.latencies_ns)
    syscalls = await _syscalls(spec, tally) if spec.trace_s else None
    load.stop()
    await outstanding(tally)
    dropped = dropped_among(sockets)
    await close(sockets)
    return summarize(first, last, tally, latencies_ns, syscalls=syscalls, dropped=dropped)


def settle() -> None:
    """No garbage collection goes over what was made before the load."""
    gc.collect()
    gc.freeze()


def dropped_among(sockets: Sequence[Socket]) -> int:
    """Slow members that the server has closed."""
    return sum(isinstance(socket, SlowMember) and socket.gone.done() for socket in sockets)


async def outstanding(tally: Tally) -> None:
    """Waits until everything that is due has come, for a bounded time."""
    for _ in range(int(OUTSTANDING_WITHIN_S / _POLL_S)):
        if tally.received >= tally.expected or tally.lost:
            return
        await asyncio.sleep(_POLL_S)


async def _syscalls(spec: Spec, tally: Tally) -> float | None:
    """Per message: a tool starts and ends beside the load, so both are taken as rates."""
    before, begin_s = tally.received, monotonic()
    calls = await calls_per_s(list(spec.target.pids.values()), spec.trace_s)
    rate = (tally.received - before) / (monotonic() - begin_s)
    return calls / rate if calls is not None and rate else None
