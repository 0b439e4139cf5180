"""Paced load: messages go at a rate whether or not those before are answered (open loop)."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic_ns
from typing import Final

from .client import Follower
from .ring import Ring
from .speech import Speech
from .tally import Tally
from .ticker import Ticker

_NS_PER_S: Final = 1_000_000_000
_LEAD_NS: Final = 10_000_000
"""From `start` to the first message."""


class PacedLoad:
    """Sends message k over connection k modulo their number, at start + k / rate.

    Latency counts from that intended time, so that a server which makes the generator wait is not thanked for it.

    Args:
        speech: how messages are wrapped.
        size: bytes of a message.
        rate: messages a second.
        latency: note latencies.
    """

    __slots__ = (
        "_interval_ns",
        "_next",
        "_size",
        "_speech",
        "_start_ns",
        "_ticker",
        "latency",
        "sockets",
        "tally",
    )

    def __init__(self, speech: Speech, size: int, rate: float, latency: bool) -> None:
        self.tally = Tally()
        self.latency = latency
        self.sockets: list[PacedSocket] = []
        self._speech = speech
        self._size = size
        self._interval_ns = round(_NS_PER_S / rate)
        self._next = 0
        self._start_ns = 0
        self._ticker: Ticker | None = None

    def socket(self, index: int) -> PacedSocket:
        """Makes a connection."""
        socket = PacedSocket(self, self._speech, Ring(index, self._size, self._speech))
        self.sockets.append(socket)
        return socket

    def start(self) -> None:
        """Begins to send."""
        self._start_ns = monotonic_ns() + _LEAD_NS
        self._ticker = Ticker(asyncio.get_running_loop(), self._start_ns, self._interval_ns, self._send_due)

    def stop(self) -> None:
        """Nothing more is sent; what is outstanding still arrives."""
        if self._ticker is not None:
            self._ticker.stop()
            self._ticker = None

    def _send_due(self) -> None:
        now_ns = monotonic_ns()
        sockets = self.sockets
        while (intended_ns := self._start_ns + self._next * self._interval_ns) <= now_ns:
            sockets[self._next % len(sockets)].send(intended_ns)
            self._next += 1


class PacedSocket(Follower):
    """Sends when told to; answers come in order."""

    __slots__ = ("_due_ns", "_load", "_next")

    def __init__(self, load: PacedLoad, speech: Speech, ring: Ring) -> None:
        super().__init__(load.tally, speech, ring)
        self._load = load
        self._next = 0
        self._due_ns: deque[int] = deque()

    def send(self, intended_ns: int) -> None:
        """Sends the next message; nothing over a connection that was lost."""
        if self.transport.is_closing():
            return
        frames = self.ring.frames
        self._due_ns.append(intended_ns)
        self.tally.sent += 1
        self.tally.expected += 1
        self.transport.write(frames[self._next])
        self._next = (self._next + 1) % len(frames)

    def came(self, count: int) -> None:
        """So many answers."""
        tally, due_ns = self.tally, self._due_ns
        if count > len(due_ns):
            tally.mismatched += count - len(due_ns)
            count = len(due_ns)
        tally.received += count
        now_ns = monotonic_ns()
        for _ in range(count):
            intended_ns = due_ns.popleft()
            if self._load.latency:
                tally.latencies_ns.append(now_ns - intended_ns)
