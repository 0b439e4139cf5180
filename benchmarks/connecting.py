"""Connects: as many handshakes at once as the server takes gladly, each connection stays open."""

from __future__ import annotations

import asyncio
from time import monotonic

from .client import Socket, close
from .crowd import door
from .findings import Report
from .opening import AT_ONCE, first_error, open_one
from .sample import Sampler, summarize
from .spec import Spec
from .speech import Speech
from .steady import settle
from .tally import Tally


async def measure(spec: Spec) -> Report:
    """Opens connections up to the end of the measured time, or as many as the spec allows.

    The measured time is that of the opening alone: closing costs too, and is not in it.
    """
    speech = Speech(spec.target.dialect)
    tally = Tally()
    sockets: list[Socket] = []
    sampler = Sampler(spec.target)

    async def open_until(deadline_s: float, most: int) -> None:
        while monotonic() < deadline_s and tally.sent < most:
            index = tally.sent
            tally.sent += 1
            tally.expected += 1
            socket = Socket(tally, speech)
            await open_one(socket, speech, door(spec, index), spec.run)
            tally.received += 1
            sockets.append(socket)

    async def open_for(seconds: float, most: int) -> None:
        deadline_s = monotonic() + seconds
        with first_error():
            async with asyncio.TaskGroup() as group:
                for _ in range(min(AT_ONCE, most)):
                    group.create_task(open_until(deadline_s, most))

    await open_for(spec.warm_up_s, max(1, spec.connections // 4))
    settle()
    first = sampler.take(tally.received)
    await open_for(spec.seconds, spec.connections)
    last = sampler.take(tally.received)
    await close(sockets)
    return summarize(first, last, tally)
