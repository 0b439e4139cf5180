"""Retries: jobs whose handler failed, and whose connection waits until they are tried again. They hold no slot."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence

from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.layer import WorkerLayer
from trunkline.protocol.messages import Delivery

from .job import Job
from .metrics import WorkerMetrics

log = logging.getLogger(__name__)

LIMIT = 10_000
"""Jobs that wait at one time before their worker takes no more entries, about 30 MB of them."""


class Retries:
    """Keeps jobs until their time has come.

    Args:
        layer: takes back what a drain does not wait for.
        metrics: counts it.
        due: is given a job when it is to be tried again.
    """

    __slots__ = ("_due", "_layer", "_loop", "_metrics", "_timers")

    def __init__(self, layer: WorkerLayer, metrics: WorkerMetrics, due: Callable[[Job], None]) -> None:
        self._layer = layer
        self._metrics = metrics
        self._due = due
        self._timers: dict[Job, asyncio.TimerHandle] = {}
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._timers)

    @property
    def full(self) -> bool:
        """Whether so many wait that the worker should take no more."""
        return len(self._timers) >= LIMIT

    def add(self, job: Job) -> None:
        """Lets a job wait for its `Job.pause_s`."""
        self._timers[job] = self._loop.call_later(job.pause_s, self._ring, job)

    def forget(self) -> None:
        """Ends all waiting: the entries go to other workers with this one's end."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    async def leave(self) -> None:
        """Hands those who wait to other workers, where they begin anew when their wait is over. They have left no
        trace, but for what their handlers flushed."""
        now_s = self._loop.time()
        waiting = [
            (job.delivery, max(0, math.ceil((timer.when() - now_s) * 1000)))
            for job, timer in self._timers.items()
        ]
        self.forget()
        if not waiting:
            return
        try:
            await asyncio.to_thread(self._give_back, waiting)
        except LayerUnavailable as error:
            log.warning("cannot hand back entries=%d, others take them over: %s", len(waiting), error)

    def _give_back(self, waiting: Sequence[tuple[Delivery, int]]) -> None:
        for delivery, after_ms in waiting:
            self._layer.give_back([delivery], after_ms)
            self._metrics.given_back.value += 1

    def _ring(self, job: Job) -> None:
        del self._timers[job]
        self._due(job)
