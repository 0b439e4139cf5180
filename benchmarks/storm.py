"""A process that holds sockets is killed; all its clients come back to another one, each in its own time."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from dataclasses import replace
from typing import Final

from .client import Socket, close
from .closed import ClosedLoad
from .findings import Report
from .opening import Door, open_all, open_one, source_of
from .sample import Sampler, summarize
from .spec import Spec
from .speech import Speech
from .steady import outstanding, settle

FIRST_DELAY_S: Final = 1.0
"""A client waits a random part of this, and of twice as much after each failure (full jitter)."""
MOST_DELAY_S: Final = 8.0
ATTEMPTS: Final = 10
"""After so many failures a client has not come back."""
BACK_WITHIN_S: Final = 60.0


class Storm:
    """The clients of the process that dies.

    Args:
        spec: the run.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._speech = Speech(spec.target.dialect)
        self._chance = random.Random(spec.run)
        self.load = ClosedLoad(self._speech, spec.size, latency=False)
        self.retries = 0

    def _door(self, port: int, index: int) -> Door:
        target = self._spec.target
        return Door(target.host, port, target.path, source_of(index))

    async def connect(self) -> list[Socket]:
        """Opens all connections to the first process."""
        spec = self._spec
        port = spec.target.ports[0]
        return await open_all(
            lambda index: Socket(self.load.tally, self._speech),
            spec.connections,
            self._speech,
            lambda index: self._door(port, index),
            lambda index: spec.run,
        )

    async def come_back(self, index: int, old: Socket) -> None:
        """Waits for the loss of a connection and opens another one."""
        await old.gone
        ports = self._spec.target.ports[1:]
        door = self._door(ports[index % len(ports)], index)
        delay_s = FIRST_DELAY_S
        for _ in range(ATTEMPTS):
            await asyncio.sleep(self._chance.uniform(0, delay_s))
            socket = self.load.make(index)
            try:
                await open_one(socket, self._speech, door, self._spec.run)
            except OSError:  # Refused and TimeoutError among them
                self.retries += 1
                delay_s = min(MOST_DELAY_S, delay_s * 2)
            else:
                self.load.sockets.append(socket)
                return


async def measure(spec: Spec) -> Report:
    """Connects, kills, waits until all are back, and has each of them say something."""
    victim, *survivors = spec.target.holders
    pids = {role: pid for role, pid in spec.target.pids.items() if role != victim}
    sampler = Sampler(replace(spec.target, pids=pids, holders=survivors))
    storm = Storm(spec)
    tally = storm.load.tally
    sockets = await storm.connect()
    settle()
    await asyncio.sleep(spec.warm_up_s)
    for socket in sockets:
        socket.forsake()
    first = sampler.take(0)
    os.kill(spec.target.pids[victim], signal.SIGKILL)
    tasks = [asyncio.create_task(storm.come_back(index, old)) for index, old in enumerate(sockets)]
    _, pending = await asyncio.wait(tasks, timeout=BACK_WITHIN_S)
    for task in pending:
        task.cancel()
    back = storm.load.sockets
    last = sampler.take(len(back))
    storm.load.start()
    storm.load.stop()
    await outstanding(tally)
    await close(back)
    return summarize(
        first,
        last,
        tally,
        back_s=(last.at_ns - first.at_ns) / 1e9,
        retries=storm.retries,
        failed=spec.connections - len(back),
    )
