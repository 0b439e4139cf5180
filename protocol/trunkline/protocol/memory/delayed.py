"""Sends that wait for their time."""

from __future__ import annotations

import heapq
from typing import NamedTuple

from ..names import ChannelName


class Delayed(NamedTuple):
    """A message that becomes due.

    Attributes:
        due_s: when, by the bus' clock.
        number: counts up, so that what is due together comes in the order it was sent.
        channel: where it goes.
        body: the encoded entry.
    """

    due_s: float
    number: int
    channel: ChannelName
    body: bytes


class DelayedSends:
    """Delayed sends, soonest first.

    Args:
        capacity: how many it holds before it counts as full.
    """

    __slots__ = ("_heap", "_number", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._heap: list[Delayed] = []
        self._number = 0

    @property
    def full(self) -> bool:
        """Whether it holds its capacity."""
        return len(self._heap) >= self.capacity

    @property
    def next_due_s(self) -> float | None:
        """When the soonest is due, None if there is none."""
        return self._heap[0].due_s if self._heap else None

    def add(self, due_s: float, channel: ChannelName, body: bytes) -> None:
        """Keeps a send until it is due; the caller has looked at `full`."""
        self._number += 1
        heapq.heappush(self._heap, Delayed(due_s, self._number, channel, body))

    def pop_due(self, now_s: float) -> list[Delayed]:
        """Takes out what is due, soonest first."""
        due: list[Delayed] = []
        while self._heap and self._heap[0].due_s <= now_s:
            due.append(heapq.heappop(self._heap))
        return due
