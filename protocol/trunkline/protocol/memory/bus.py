"""What the sides of the in-memory layer share.

It keeps the promises of the Redis layer as far as one process can break them: the ack decides, effects come
in their order, what an interface leaves behind is disconnected exactly once. Where the two differ:

- Nothing is ever away, fenced or lost: `away`, `back`, `fenced`, `holdings` and `republish` are never called.
- There are no leases. A side that is closed is gone at that moment, and what it held goes on at that moment;
  `room` is never asked, because entries of a closed worker wait for the next `read` like any other.
- A mailbox is empty after the next loop iteration, so it has no capacity to outgrow.
- All ends with the process.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ..errors import LayerError
from ..layer import Publication
from ..messages import ClusterStats, Delivery, Effect, LeaseInfo, Outcome
from ..names import DISCONNECT, ChannelName, InterfaceId, WorkerId
from .dead_letters import DeadLetters, record
from .delayed import DelayedSends
from .effects import Application
from .groups import Groups
from .interface import MemoryInterfaceLayer
from .operator import MemoryOperatorLayer
from .registry import Registry
from .sessions import Sessions
from .streams import Stream
from .worker import MemoryWorkerLayer

RESTING = WorkerId("resting")
"""Holds what was handed back to rest, as the consumer of this name does in Redis."""


class MemoryBus:
    """The state of an in-memory cluster. Make one, hand its sides to the tiers.

    All sides belong to one event loop. Only `WorkerLayer.give_back` may be called from another thread.
    Everything below the three factory methods is for the sides, not for users.

    Args:
        capacity: entries a channel's stream holds before interface servers are told to wait, and sends that
            may be delayed at one time.
        dead_capacity: dead letters that are kept; the oldest go first, and are counted.
        clock: seconds that only rise.

    Attributes:
        drops: how often something was dropped, by reason.
    """

    def __init__(
        self,
        capacity: int = 100_000,
        dead_capacity: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.capacity = capacity
        self.clock = clock
        self.drops: Counter[str] = Counter()
        self.dead_letters = DeadLetters(dead_capacity, self.drops)
        self.groups = Groups()
        self.registry = Registry()
        self.sessions = Sessions()
        self.workers: dict[WorkerId, LeaseInfo] = {}
        self._streams: dict[ChannelName, Stream] = {}
        self._delayed = DelayedSends(capacity, clock, self.send)
        # Workers with a read that waits, who has waited longest first, each with what makes it look again.
        self._readers: dict[WorkerId, Callable[[], None]] = {}
        self._last_id = 0

    def interface(self) -> MemoryInterfaceLayer:
        """The side of one more interface server."""
        return MemoryInterfaceLayer(self)

    def worker(self) -> MemoryWorkerLayer:
        """The side of one more worker."""
        return MemoryWorkerLayer(self)

    def operator(self) -> MemoryOperatorLayer:
        """The side of people and their commands."""
        return MemoryOperatorLayer(self)

    def new_id(self) -> str:
        """An id for a stream or mailbox entry; they rise, and look like those of Redis."""
        self._last_id += 1
        return f"{self._last_id}-0"

    def stream(self, channel: ChannelName) -> Stream:
        """The stream of a channel, made where it is missing."""
        found = self._streams.get(channel)
        if found is None:
            found = self._streams[channel] = Stream(channel, self.capacity)
        return found

    # ---- into the streams ----

    def publish(self, interface: InterfaceId, publications: Iterable[Publication]) -> list[Publication]:
        """Takes what an interface server publishes; those whose stream is full come back."""
        refused: list[Publication] = []
        for publication in publications:
            if self.stream(publication.channel).full and not publication.must:
                refused.append(publication)
            else:
                self.put(publication.channel, publication.body, interface)
                self.registry.count_unfinished(interface, 1)
        return refused

    def put(self, channel: ChannelName, body: bytes, origin: InterfaceId | None = None) -> str:
        """Appends an entry, full or not, and lets waiting workers look; its id."""
        entry_id = self.new_id()
        self.stream(channel).add(entry_id, body, self.clock(), origin)
        self.wake()
        return entry_id

    def send(self, channel: ChannelName, body: bytes, worker: str = "") -> None:
        """Appends what a handler sent; a dead letter if the stream is full."""
        if self.stream(channel).full:
            self._refuse(channel, body, f"channel {channel!r} holds its {self.capacity} entries", worker)
        else:
            self.put(channel, body)

    def send_later(self, channel: ChannelName, body: bytes, delay_ms: int, worker: str) -> None:
        """Sends when ``delay_ms`` have passed; a dead letter if too much is delayed already."""
        if self._delayed.full:
            self._refuse(channel, body, f"{self.capacity} sends are delayed already", worker)
        else:
            self._delayed.add(delay_ms, channel, body)

    def set_aside(self, channel: ChannelName, body: bytes, delay_ms: int) -> bool:
        """Sends a message that failed again when ``delay_ms`` have passed; False if there is no room for it."""
        if self.stream(channel).full if delay_ms == 0 else self._delayed.full:
            return False
        if delay_ms == 0:
            self.put(channel, body)
        else:
            self._delayed.add(delay_ms, channel, body)
        return True

    def _refuse(self, channel: ChannelName, body: bytes, why: str, worker: str) -> None:
        self.dead_letters.keep(record("channel_full", channel, body, f"channel full: {why}", worker))

    # ---- workers ----

    def open_worker(self, info: LeaseInfo, channels: Sequence[ChannelName]) -> None:
        """Enters a worker and makes the streams it reads.

        Raises:
            LayerError: one with this id is here.
        """
        worker = WorkerId(info.id)
        if worker in self.workers:
            raise LayerError(f"worker id {worker!r} is in use: take a fresh one of new_worker_id()")
        self.workers[worker] = info
        for channel in channels:
            self.stream(channel)

    def await_entries(self, worker: WorkerId, look: Callable[[], None]) -> None:
        """The worker waits behind those who wait already; ``look`` is called when there may be entries.

        All look now: were it only this one, it would overtake those who wait when entries come in this iteration.
        """
        self._readers[worker] = look
        self.wake()

    def await_no_more(self, worker: WorkerId) -> None:
        """The worker does not wait any more."""
        self._readers.pop(worker, None)

    def wake(self) -> None:
        """Lets every worker that waits look for entries, who has waited longest first."""
        for look in list(self._readers.values()):
            look()

    def take(self, worker: WorkerId, channels: Iterable[ChannelName], count: int) -> list[Delivery]:
        """Gives a worker up to ``count`` entries of each channel."""
        now_s = self.clock()
        streams = map(self.stream, channels)
        return [delivery for stream in streams for delivery in stream.take(count, worker, now_s)]

    def commit(self, worker: WorkerId, outcomes: Iterable[Outcome]) -> int:
        """Acknowledges entries, applies the effects of those whose acknowledgement counted; how many did."""
        counted = 0
        application = Application(self, worker)
        for delivery, effects in outcomes:
            item = self.stream(delivery.channel).acknowledge(delivery.id)
            if item is None:
                self.drops["late_commit"] += 1
                continue
            counted += 1
            if item.origin is not None:
                self.registry.count_unfinished(item.origin, -1)
            application.apply(effects)
        application.finish()
        self.reap()
        return counted

    def apply(self, worker: WorkerId, effects: Iterable[Effect], within: Delivery | None) -> None:
        """Applies effects, with ``within`` only if the worker holds that delivery."""
        if within is not None and not self.stream(within.channel).held_by(within.id, worker):
            self.drops["late_apply"] += 1
            return
        application = Application(self, worker)
        application.apply(effects)
        application.finish()

    def hand_on(self, worker: WorkerId, deliveries: Sequence[Delivery], after_ms: int = 0) -> None:
        """Lets entries that a worker holds wait for another, counting no attempt; nobody gets them before ``after_ms``
        have passed."""
        if after_ms > 0:
            resting = [
                each for each in deliveries if self.stream(each.channel).hold(each.id, worker, RESTING)
            ]
            asyncio.get_running_loop().call_later(after_ms / 1000, self.hand_on, RESTING, resting)
            return
        for delivery in reversed(deliveries):
            self.stream(delivery.channel).hand_on([delivery.id], worker, failed=False)
        self.wake()

    def close_worker(self, worker: WorkerId) -> None:
        """Forgets a worker; what it holds waits for another and has one attempt more."""
        del self.workers[worker]
        self.await_no_more(worker)
        for stream in self._streams.values():
            stream.hand_on(stream.held(worker), worker, failed=True)
        self.wake()

    # ---- what an interface server leaves behind ----

    def retire(self, interface: InterfaceId) -> None:
        """Ends an interface server. Its connections follow when its entries are done."""
        self.registry.retire(interface)
        self.groups.forget(interface)
        self.reap()

    def reap(self) -> None:
        """Publishes the disconnects of interface servers that are gone and whose entries are done.

        Only then: a connect that commits late has registered its connection by then.
        """
        for gone in self.registry.pop_finished():
            for connection, disconnect in gone.connections.items():
                self.sessions.orphan(connection, self.clock())
                self.put(DISCONNECT, disconnect)

    def stats(self) -> ClusterStats:
        """The cluster as it is now."""
        now_s = self.clock()
        living = self.registry.living()
        return ClusterStats(
            channels=[stream.stats(now_s) for _, stream in sorted(self._streams.items())],
            interfaces=[found.info for found in living.values()],
            workers=list(self.workers.values()),
            dead_letters=len(self.dead_letters),
            mailbox_lengths={interface: len(found.mailbox) for interface, found in living.items()},
            delayed=len(self._delayed),
            dead_trimmed=self.dead_letters.trimmed,
            delayed_ever=self._delayed.ever,
        )
