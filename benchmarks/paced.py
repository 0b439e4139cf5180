"""Paced load: messages go at a rate whether or not those before are answered (open loop)."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic_ns
from typing import Final

from .client import Socket, Tally
from .closed import payload
from .ticker import Ticker
from .wire import client_frame

_NS_PER_S: Final = 1_000_000_000
_LEAD_NS: Final = 10_000_000
"""From `start` to the first message."""


class PacedLoad:
    """Sends message k over connection k modulo their number, at start + k / rate.

    Latency counts from that intended time, so that a server which makes the generator wait is not thanked for it.

    Args:
        rate: messages a second.
        latency: note latencies.
    """

    __slots__ = ("_interval_ns", "_next", "_start_ns", "_ticker", "latency", "sockets", "tally")

    def __init__(self, rate: float, latency: bool) -> None:
        self.tally = Tally()
        self.latency = latency
        self.sockets: list[PacedSocket] = []
        self._interval_ns = round(_NS_PER_S / rate)
        self._next = 0
        self._start_ns = 0
        self._ticker: Ticker | None = None

    def socket(self, index: int) -> PacedSocket:
        """Makes a connection."""
        socket = PacedSocket(self, index)
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


class PacedSocket(Socket):
    """Sends when told to; answers come in order."""

    __slots__ = ("_due", "_index", "_load", "_number")

    def __init__(self, load: PacedLoad, index: int) -> None:
        super().__init__(load.tally)
        self._load = load
        self._index = index
        self._number = 0
        self._due: deque[tuple[bytes, int]] = deque()

    def send(self, intended_ns: int) -> None:
        """Sends the next message."""
        data = payload(self._index, self._number)
        self._number += 1
        self._due.append((data, intended_ns))
        self.tally.expected += 1
        self.transport.write(client_frame(data))

    def heard(self, payload: bytes) -> None:
        """An answer."""
        if not self._due or self._due[0][0] != payload:
            self.tally.mismatched += 1
            return
        _, intended_ns = self._due.popleft()
        self.tally.received += 1
        if self._load.latency:
            self.tally.latencies_ns.append(monotonic_ns() - intended_ns)
