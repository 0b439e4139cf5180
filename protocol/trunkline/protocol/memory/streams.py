"""The stream of a channel, with its one consumer group: what waits, and which worker holds what."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ..messages import ChannelStats, Delivery
from ..names import ChannelName, InterfaceId, WorkerId


class Item:
    """An entry in a stream.

    Attributes:
        body: the encoded entry, opaque here.
        added_s: when it was published, by the bus' clock.
        origin: the interface server whose registry waits for it, None for everything else.
        attempt: what its next or present delivery is numbered.
        worker: who holds it, None while it waits.
        died: workers that were gone before it was done.
    """

    __slots__ = ("added_s", "attempt", "body", "died", "origin", "worker")

    def __init__(self, body: bytes, added_s: float, origin: InterfaceId | None) -> None:
        self.body = body
        self.added_s = added_s
        self.origin = origin
        self.attempt = 1
        self.died: tuple[str, ...] = ()
        self.worker: WorkerId | None = None


class Stream:
    """Entries of one channel in order. An entry stays until it is acknowledged, as in Redis (XACK and XDEL).

    Args:
        channel: its name.
        capacity: entries it holds before it counts as full.
    """

    __slots__ = ("_items", "_waiting", "capacity", "channel")

    def __init__(self, channel: ChannelName, capacity: int) -> None:
        self.channel = channel
        self.capacity = capacity
        self._items: dict[str, Item] = {}
        # Every item is either in here or has a worker.
        self._waiting: deque[str] = deque()

    @property
    def full(self) -> bool:
        """Whether it holds its capacity. Disconnects go in all the same, so it may hold more."""
        return len(self._items) >= self.capacity

    def add(self, entry_id: str, body: bytes, now_s: float, origin: InterfaceId | None = None) -> None:
        """Appends an entry; the caller has looked at `full`."""
        self._items[entry_id] = Item(body, now_s, origin)
        self._waiting.append(entry_id)

    def take(self, count: int, worker: WorkerId, now_s: float) -> list[Delivery]:
        """Gives up to ``count`` waiting entries, oldest first, to a worker, who holds them from now on."""
        taken: list[Delivery] = []
        while self._waiting and len(taken) < count:
            entry_id = self._waiting.popleft()
            item = self._items[entry_id]
            item.worker = worker
            queued_ms = max(0.0, now_s - item.added_s) * 1000
            taken.append(Delivery(self.channel, entry_id, item.body, item.attempt, queued_ms, item.died))
        return taken

    def acknowledge(self, entry_id: str) -> Item | None:
        """Takes a handled entry out; None if somebody else has done so.

        Who holds it does not matter, as it does not for XACK: a worker whose entry was taken over may still
        be the first to finish it, and then the other one's acknowledgement does not count.
        """
        item = self._items.pop(entry_id, None)
        if item is not None and item.worker is None:
            self._waiting.remove(entry_id)
        return item

    def holds(self, entry_id: str) -> bool:
        """Whether the entry is here, waiting or held by a worker."""
        return entry_id in self._items

    def held_by(self, entry_id: str, worker: WorkerId) -> bool:
        """Whether this worker holds the entry now."""
        item = self._items.get(entry_id)
        return item is not None and item.worker == worker

    def hold(self, entry_id: str, worker: WorkerId, by: WorkerId) -> bool:
        """Moves an entry that ``worker`` holds to another holder; False if it does not hold it."""
        if not self.held_by(entry_id, worker):
            return False
        self._items[entry_id].worker = by
        return True

    def held(self, worker: WorkerId) -> list[str]:
        """Ids of what this worker holds, oldest first."""
        return [entry_id for entry_id, item in self._items.items() if item.worker == worker]

    def hand_on(self, entry_ids: Iterable[str], worker: WorkerId, failed: bool) -> None:
        """Lets entries a worker holds wait again, before all others because they are older.

        Args:
            entry_ids: which; what this worker does not hold (any more) is left alone.
            worker: who gives them away.
            failed: the worker is gone and counts as an attempt; otherwise they were not begun.
        """
        mine = [entry_id for entry_id in entry_ids if self.held_by(entry_id, worker)]
        for entry_id in mine:
            self._items[entry_id].worker = None
            if failed:
                self._items[entry_id].attempt += 1
                self._items[entry_id].died += (worker,)
        self._waiting.extendleft(reversed(mine))

    def stats(self, now_s: float) -> ChannelStats:
        """How much of it waits."""
        oldest_s = next((max(0.0, now_s - item.added_s) for item in self._items.values()), 0.0)
        return ChannelStats(self.channel, len(self._items), len(self._items) - len(self._waiting), oldest_s)
