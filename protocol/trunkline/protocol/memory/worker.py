"""The worker's side of the in-memory layer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import LayerClosed
from ..layer import WorkerLayer, WorkerReceiver
from ..messages import Delivery, Effect, LeaseInfo, Outcome
from ..names import ChannelName, ConnectionId, WorkerId

if TYPE_CHECKING:
    from .bus import MemoryBus


class MemoryWorkerLayer(WorkerLayer):
    """Made by `MemoryBus.worker`. Methods act at once, and report in a later loop iteration."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self._id: WorkerId | None = None
        self._wanted = 0
        self._looking = False

    async def open(self, info: LeaseInfo, channels: Sequence[ChannelName], receiver: WorkerReceiver) -> None:
        """Enters the worker in the bus and makes the streams of its channels.

        Raises:
            LayerError: another one with this id is open.
        """
        self._loop = asyncio.get_running_loop()
        self._receiver = receiver
        self._channels = tuple(channels)
        self._bus.open_worker(info, self._channels)
        self._id = WorkerId(info.id)

    def read(self, count: int) -> None:
        """Asks for up to ``count`` entries a stream. While one read waits, another only changes its count.

        Raises:
            LayerClosed: it is not open.
        """
        worker = self._open_id()
        self._wanted = count
        self._bus.await_entries(worker, self._look)

    def stop_reading(self) -> None:
        """Takes a waiting read back. No delivery is on its way then: it is decided in the moment it comes."""
        self._wanted = 0
        if self._id is not None:
            self._bus.await_no_more(self._id)

    def _look(self) -> None:
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self._take)

    def _take(self) -> None:
        self._looking = False
        if self._id is None or not self._wanted:
            return
        deliveries = self._bus.take(self._id, self._channels, self._wanted)
        if deliveries:
            self.stop_reading()
            self._receiver.deliver(deliveries)

    def sessions(self, connections: Sequence[ConnectionId], done: Callable[[list[bytes]], None]) -> None:
        """Reads channel sessions as they are now.

        Raises:
            LayerClosed: it is not open.
        """
        self._open_id()
        now_s = self._bus.clock()
        found = [self._bus.sessions.read(connection, now_s) for connection in connections]
        self._loop.call_soon(done, found)

    def commit(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """Acknowledges entries and applies the effects of those whose acknowledgement counted.

        Raises:
            LayerClosed: it is not open.
        """
        self._loop.call_soon(done, self._bus.commit(self._open_id(), outcomes))

    def apply(
        self, effects: Sequence[Effect], done: Callable[[], None], within: Delivery | None = None
    ) -> None:
        """Applies effects; ``done`` is called too when ``within`` is held no more and they were dropped.

        Raises:
            LayerClosed: it is not open.
        """
        self._bus.apply(self._open_id(), effects, within)
        self._loop.call_soon(done)

    def commit_now(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """Commits as soon as the event loop runs: interface servers share it, so nobody could hear of it earlier."""
        self._loop.call_soon_threadsafe(self.commit, tuple(outcomes), done)

    def give_back(self, deliveries: Sequence[Delivery], after_ms: int = 0) -> None:
        """Lets entries wait for another read, of any worker, after so much time. From any thread."""
        self._loop.call_soon_threadsafe(self._give_back, tuple(deliveries), after_ms)

    def _give_back(self, deliveries: tuple[Delivery, ...], after_ms: int) -> None:
        if self._id is not None:  # One that is closed has handed on all it held.
            self._bus.hand_on(self._id, deliveries, after_ms)

    async def close(self) -> None:
        """Ends the worker in the bus; what it has not committed waits for another, with one attempt more."""
        self.stop_reading()
        if self._id is not None:
            worker, self._id = self._id, None
            self._bus.close_worker(worker)

    def _open_id(self) -> WorkerId:
        if self._id is None:
            raise LayerClosed("this worker side is not open: expected open() before, and no close()")
        return self._id
