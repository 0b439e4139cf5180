"""Closed load: each connection has one message outstanding."""

from __future__ import annotations

from time import monotonic_ns
from typing import Final

from .client import Socket, Tally
from .wire import client_frame, server_frame

RING: Final = 32
"""Messages of a connection that differ, a power of two; enough to see a message that is lost, doubled or late."""


def payload(connection: int, number: int) -> bytes:
    """The 16 bytes of a message; no other connection has the same."""
    return b"%06d.%09d" % (connection, number)


class ClosedLoad:
    """The switch and the count of all connections.

    Args:
        latency: note latencies.
    """

    __slots__ = ("latency", "sending", "sockets", "tally")

    def __init__(self, latency: bool) -> None:
        self.tally = Tally()
        self.latency = latency
        self.sending = False
        self.sockets: list[EchoSocket] = []

    def socket(self, index: int) -> EchoSocket:
        """Makes a connection."""
        socket = EchoSocket(self, index)
        self.sockets.append(socket)
        return socket

    def start(self) -> None:
        """Every connection sends."""
        self.sending = True
        for socket in self.sockets:
            socket.send()

    def stop(self) -> None:
        """Nothing more is sent; what is outstanding still arrives."""
        self.sending = False


class EchoSocket(Socket):
    """Sends the next message when the last one is back.

    Its frames are made beforehand, and an answer that comes alone and whole, as nearly all do, is not parsed but
    compared.
    """

    __slots__ = ("_answers", "_due", "_frames", "_load", "_position", "_sent_ns")

    def __init__(self, load: ClosedLoad, index: int) -> None:
        super().__init__(load.tally)
        self._load = load
        payloads = [payload(index, number) for number in range(RING)]
        self._frames = [client_frame(item) for item in payloads]
        self._answers = [server_frame(item) for item in payloads]
        self._position = 0
        self._due = b""
        self._sent_ns = 0

    def send(self) -> None:
        """Sends the next message."""
        position = self._position = (self._position + 1) & (RING - 1)
        self._due = self._answers[position]
        self.tally.expected += 1
        if self._load.latency:
            self._sent_ns = monotonic_ns()
        self.transport.write(self._frames[position])

    def data_received(self, data: bytes) -> None:
        """Compares; parses what is something else."""
        if data == self._due:
            self._answered()
        else:
            super().data_received(data)

    def heard(self, payload: bytes) -> None:
        """The answer has come in pieces, or is wrong."""
        if server_frame(payload) == self._due:
            self._answered()
        else:
            self.tally.mismatched += 1

    def _answered(self) -> None:
        load = self._load
        tally = self.tally
        tally.received += 1
        if load.latency:
            tally.latencies_ns.append(monotonic_ns() - self._sent_ns)
        if load.sending:
            self.send()
        else:
            self._due = b""
