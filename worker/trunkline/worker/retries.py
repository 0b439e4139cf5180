"""Retries: jobs whose handler failed and that wait to be tried again. They hold no slot meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.layer import WorkerLayer
from trunkline.protocol.messages import Delivery

from .job import Job
from .metrics import WorkerMetrics

log = logging.getLogger(__name__)


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

    def add(self, job: Job) -> None:
        """Lets a job wait for its `Job.pause_s`."""
        self._timers[job] = self._loop.call_later(job.pause_s, self._ring, job)

    def forget(self) -> list[Delivery]:
        """Ends all waiting; the deliveries of those who waited."""
        timers, self._timers = self._timers, {}
        for timer in timers.values():
            timer.cancel()
        return [job.delivery for job in timers]

    async def leave(self) -> None:
        """Hands those who wait to other workers, where they begin anew. They have left no trace, but for what their
        handlers flushed."""
        deliveries = self.forget()
        if not deliveries:
            return
        try:
            await asyncio.to_thread(self._layer.give_back, deliveries)
        except LayerUnavailable as error:
            log.warning("cannot hand back entries=%d, others take them over: %s", len(deliveries), error)
        else:
            self._metrics.given_back.value += len(deliveries)

    def _ring(self, job: Job) -> None:
        del self._timers[job]
        self._due(job)
