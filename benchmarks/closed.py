"""Closed load: each connection has one message outstanding, or a whole ring of them."""

from __future__ import annotations

from time import monotonic_ns

from .client import Follower
from .ring import Ring
from .speech import Speech
from .tally import Tally


class ClosedLoad:
    """The switch and the count of all connections.

    Args:
        speech: how messages are wrapped.
        size: bytes of a message.
        latency: note latencies.
        whole_rings: each connection has as many messages outstanding as its ring is long: what is the most a server
            can take.
    """

    __slots__ = ("_size", "_speech", "latency", "sending", "sockets", "tally", "whole_rings")

    def __init__(self, speech: Speech, size: int, latency: bool, whole_rings: bool = False) -> None:
        self.tally = Tally()
        self.latency = latency
        self.sending = False
        self.sockets: list[EchoSocket] = []
        self.whole_rings = whole_rings
        self._speech = speech
        self._size = size

    def socket(self, index: int) -> EchoSocket:
        """Makes a connection."""
        socket = self.make(index)
        self.sockets.append(socket)
        return socket

    def make(self, index: int) -> EchoSocket:
        """The same, but it takes no part before it is among `sockets`: it may fail to open."""
        return EchoSocket(self, self._speech, Ring(index, self._size, self._speech))

    def start(self) -> None:
        """Every connection sends."""
        self.sending = True
        for socket in self.sockets:
            socket.send()

    def stop(self) -> None:
        """Nothing more is sent; what is outstanding still arrives."""
        self.sending = False


class EchoSocket(Follower):
    """Sends the next message when the last one is back."""

    __slots__ = ("_load", "_next", "_sent_ns", "_step", "outstanding")

    def __init__(self, load: ClosedLoad, speech: Speech, ring: Ring) -> None:
        super().__init__(load.tally, speech, ring)
        self._load = load
        self._next = 0
        self._step = len(ring) if load.whole_rings else 1
        self._sent_ns = 0
        self.outstanding = 0

    def send(self) -> None:
        """Sends the next message, or the whole ring; nothing over a connection that was lost."""
        if self.transport.is_closing():
            return
        step = self.outstanding = self._step
        tally = self.tally
        tally.sent += step
        tally.expected += step
        if self._load.latency:
            self._sent_ns = monotonic_ns()
        frames = self.ring.frames
        if step == 1:
            self.transport.write(frames[self._next])
            self._next = (self._next + 1) % len(frames)
        else:
            self.transport.write(b"".join(frames))

    def came(self, count: int) -> None:
        """So many answers."""
        tally = self.tally
        if count > self.outstanding:
            tally.mismatched += count - self.outstanding
            count = self.outstanding
        self.outstanding -= count
        tally.received += count
        load = self._load
        if load.latency and count:
            tally.latencies_ns.append(monotonic_ns() - self._sent_ns)
        if not self.outstanding and load.sending:
            self.send()
