"""Flow control of one connection: which events may leave now, and when its socket must not be read.

Order is kept by having at most one entry of a connection in flight: whatever worker takes it, the next leaves only
after its release. What comes meanwhile waits here and leaves together. Pure: no clock, no socket.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from trunkline.protocol.messages import MAX_EVENTS_PER_ENTRY

MAX_ENTRY_BYTES: Final = 1_048_576
"""An entry of several messages is no larger, so that it never nears what the codec takes (16 MiB)."""

IDLE: Final = -1
"""`Flow.in_flight` while nothing is."""


class Bound(NamedTuple):
    """How much may wait before reading pauses. What one read of the socket brings more than that waits unparsed.

    Attributes:
        events: messages.
        bytes: bytes of these messages.
    """

    events: int
    bytes: int


class Flow:
    """What of a connection's events is in flight, what waits, and how they are numbered.

    Args:
        bound: from where on `full` is true.

    Attributes:
        in_flight: number of the first event of the entry in flight, `IDLE` without one.
        next: number of the event behind all that are, or were, in flight.
        queue: messages that wait, in order; None while there are none.
        ended: the disconnect was given; nothing can follow.
    """

    __slots__ = ("_bound", "_bytes", "_disconnect", "_sizes", "ended", "in_flight", "next", "queue")

    def __init__(self, bound: Bound) -> None:
        self._bound = bound
        self._bytes = 0
        self._disconnect: dict[str, Any] | None = None
        self.next = 0
        # None while empty: most connections of a big server are idle, and two lists are a tenth of one's memory.
        self.queue: list[Any] | None = None
        self._sizes: list[int] = []
        self.ended = False
        self.in_flight = IDLE

    @property
    def full(self) -> bool:
        """Enough waits: stop reading the socket."""
        waiting = self.queue
        return waiting is not None and (
            len(waiting) >= self._bound.events or self._bytes >= self._bound.bytes
        )

    @property
    def low(self) -> bool:
        """Little enough waits to read the socket again: half of what makes it full, so that it does not flutter."""
        waiting = self.queue
        return waiting is None or (
            len(waiting) * 2 <= self._bound.events and self._bytes * 2 <= self._bound.bytes
        )

    @property
    def waiting(self) -> int:
        """Messages that wait."""
        return len(self.queue) if self.queue is not None else 0

    @property
    def held(self) -> int:
        """Events that are not released yet: those of the entry in flight and those that wait."""
        return self.waiting + (self.next - self.in_flight if self.in_flight >= 0 else 0)

    @property
    def disconnecting(self) -> bool:
        """What is in flight, or was last, is the disconnect."""
        return self.ended and self._disconnect is None

    def connect(self, event: dict[str, Any]) -> list[Any]:
        """Begins: the connect event, number 0, leaves at once as an entry of its own."""
        self.in_flight = 0
        self.next = 1
        return [event]

    def push(self, event: str | bytes, size: int) -> list[Any] | None:
        """Takes a message that came.

        Args:
            event: the message.
            size: its bytes on the wire.

        Returns:
            The events of an entry to publish now, which is then in flight; None if the message waits, or is dropped
            because the disconnect was given already (see `ended`).
        """
        if self.ended:
            return None
        waiting = self.queue
        if self.in_flight < 0 and waiting is None:
            self.in_flight = self.next
            self.next += 1
            return [event]
        if waiting is None:
            self.queue = [event]
            self._sizes = [size]
        else:
            waiting.append(event)
            self._sizes.append(size)
        self._bytes += size
        return None

    def end(self, event: dict[str, Any]) -> list[Any] | None:
        """Takes the disconnect, which comes last, once, and as an entry of its own; further calls change nothing.

        Returns:
            As `push`.
        """
        if self.ended:
            return None
        self.ended = True
        self._disconnect = event
        return self.take() if self.in_flight < 0 else None

    def release(self, seq: int) -> bool:
        """The entry that began with event ``seq`` is done; `take` the next. False if that one is not in flight: what
        came with it is a replay after a failover and must be dropped."""
        if seq != self.in_flight or seq < 0:
            return False
        self.in_flight = IDLE
        return True

    def take(self) -> list[Any] | None:
        """The events of the next entry, which is then in flight, or None if nothing waits. Call it when nothing is in
        flight only."""
        waiting = self.queue
        if waiting is None:
            event = self._disconnect
            if event is None:
                return None
            self._disconnect = None
            self.in_flight = self.next
            self.next += 1
            return [event]
        self.in_flight = self.next
        count = self._fitting()
        if count == len(waiting):
            events = waiting
            self.queue = None
            self._sizes = []
            self._bytes = 0
        else:
            events = waiting[:count]
            del waiting[:count]
            self._bytes -= sum(self._sizes[:count])
            del self._sizes[:count]
        self.next += len(events)
        return events

    def _fitting(self) -> int:
        """How many of the waiting messages make an entry: as many as it may have, at least one."""
        total = 0
        sizes = self._sizes[:MAX_EVENTS_PER_ENTRY]
        for count, size in enumerate(sizes):
            total += size
            if total > MAX_ENTRY_BYTES and count > 0:
                return count
        return len(sizes)
