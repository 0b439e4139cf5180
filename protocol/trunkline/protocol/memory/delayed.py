"""Messages that wait for their time: sent with a delay, or set aside to be tried again."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import NamedTuple

from ..names import ChannelName

# A timer may fire a little early by our clock; then it waits again, but never as a hot loop.
_LEAST_WAIT_S = 0.001


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
    """Delayed messages, soonest first.

    Args:
        capacity: how many it holds before it counts as full.
        clock: seconds that only rise.
        send: is given what is due.

    Attributes:
        ever: how many it was given.
    """

    __slots__ = ("_clock", "_heap", "_send", "_timer", "capacity", "ever")

    def __init__(
        self, capacity: int, clock: Callable[[], float], send: Callable[[ChannelName, bytes], None]
    ) -> None:
        self.capacity = capacity
        self._clock = clock
        self._send = send
        self._heap: list[Delayed] = []
        self.ever = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def full(self) -> bool:
        """Whether it holds its capacity."""
        return len(self._heap) >= self.capacity

    def add(self, delay_ms: int, channel: ChannelName, body: bytes) -> None:
        """Keeps a message until it is due; the caller has looked at `full`."""
        self.ever += 1
        heapq.heappush(self._heap, Delayed(self._clock() + delay_ms / 1000, self.ever, channel, body))
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            wait_s = max(self._heap[0].due_s - self._clock(), _LEAST_WAIT_S)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._send_due)

    def _send_due(self) -> None:
        now_s = self._clock()
        while self._heap and self._heap[0].due_s <= now_s:
            due = heapq.heappop(self._heap)
            self._send(due.channel, due.body)
        self._set_timer()
