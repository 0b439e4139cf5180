"""Overload: first what the server can do at most, then a multiple of that, whatever it answers."""

from __future__ import annotations

import asyncio
import socket as sockets
from time import monotonic_ns
from typing import Final

from .client import Follower
from .closed import ClosedLoad
from .crowd import open_crowd
from .findings import Report
from .meters import pss_bytes
from .ring import Ring
from .sample import Sampler, summarize
from .spec import Spec
from .speech import Speech
from .steady import outstanding, settle
from .tally import Tally
from .ticker import Ticker

TICK_NS: Final = 2_000_000
SETTLE_S: Final = 1.0
"""From the begin of the overload to the measured time: queues fill first."""
UNSENT_BYTES: Final = 1 << 16
"""With so much unsent a connection offers without writing: the socket takes nothing, and more would only fill the
generator's memory. As large is the socket's buffer; the kernel's own choice is megabytes."""
WRITES_PER_S: Final = 5_000
"""About so many writes offer everything: a write costs the generator more than the messages in it."""


class OverloadSocket(Follower):
    """Offers whole rings, as many at once as it is told; answers come in order, when they come."""

    __slots__ = ("_data", "offered")

    def __init__(self, tally: Tally, speech: Speech, ring: Ring) -> None:
        super().__init__(tally, speech, ring)
        self._data = b"".join(ring.frames)
        self.offered = 0

    def opened(self, transport: asyncio.Transport) -> None:
        """Keeps the socket's buffer small."""
        super().opened(transport)
        raw = transport.get_extra_info("socket")
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, UNSENT_BYTES)

    def offer(self, rings: int) -> None:
        """So many rings more."""
        count = rings * len(self.ring)
        self.offered += count
        if self.gone.done() or self.transport.get_write_buffer_size() > UNSENT_BYTES:
            return
        self.transport.write(self._data * rings)
        self.tally.sent += count
        self.tally.expected += count

    def came(self, count: int) -> None:
        """So many answers."""
        self.tally.received += count


class OverloadLoad:
    """Offers rings over the connections in turns, at a rate.

    Args:
        speech: how messages are wrapped.
        size: bytes of a message.
    """

    def __init__(self, speech: Speech, size: int) -> None:
        self.tally = Tally()
        self._speech = speech
        self._size = size
        self._sockets: list[OverloadSocket] = []
        self._ticker: Ticker | None = None

    def socket(self, index: int) -> OverloadSocket:
        """Makes a connection."""
        socket = OverloadSocket(self.tally, self._speech, Ring(index, self._size, self._speech))
        self._sockets.append(socket)
        return socket

    @property
    def offered(self) -> int:
        """Messages so far."""
        return sum(socket.offered for socket in self._sockets)

    def start(self, rate: float) -> None:
        """Begins to offer.

        Args:
            rate: messages a second over all connections.
        """
        begun_ns = monotonic_ns()
        clients = self._sockets
        rings = max(1, round(rate / len(clients[0].ring) / WRITES_PER_S))
        offers_per_ns = rate / len(clients[0].ring) / rings / 1e9
        offers = 0

        def offer_due() -> None:
            nonlocal offers
            due = int((monotonic_ns() - begun_ns) * offers_per_ns)
            while offers < due:
                clients[offers % len(clients)].offer(rings)
                offers += 1

        self._ticker = Ticker(asyncio.get_running_loop(), begun_ns, TICK_NS, offer_due)

    def stop(self) -> None:
        """Offers nothing more."""
        if self._ticker is not None:
            self._ticker.stop()


async def measure(spec: Spec) -> Report:
    """Finds the capacity, then offers a multiple of it and counts what comes."""
    speech = Speech(spec.target.dialect)
    capacity = await _capacity(spec, speech)
    load = OverloadLoad(speech, spec.size)
    sockets = await open_crowd(spec, speech, load.socket, spec.connections)
    sampler = Sampler(spec.target)
    pids = spec.target.pids
    settle()
    before = {role: pss_bytes(pid) for role, pid in pids.items()}
    load.start(capacity * spec.factor)
    await asyncio.sleep(SETTLE_S)
    tally = load.tally
    offered_before = load.offered
    first = sampler.take(tally.received)
    await asyncio.sleep(spec.seconds)
    last = sampler.take(tally.received)
    offered = load.offered - offered_before
    growth = {role: pss_bytes(pid) - before[role] for role, pid in pids.items()}
    load.stop()
    dropped = sum(socket.gone.done() for socket in sockets)
    for socket in sockets:
        socket.drop()
    return summarize(
        first, last, tally, capacity=capacity, offered=offered, pss_bytes=growth, dropped=dropped
    )


async def _capacity(spec: Spec, speech: Speech) -> float:
    """Messages a second with a ring outstanding on every connection."""
    load = ClosedLoad(speech, spec.size, latency=False, whole_rings=True)
    sockets = await open_crowd(spec, speech, load.socket, spec.connections)
    load.start()
    await asyncio.sleep(spec.warm_up_s)
    received, at_ns = load.tally.received, monotonic_ns()
    await asyncio.sleep(spec.seconds)
    rate = (load.tally.received - received) / (monotonic_ns() - at_ns) * 1e9
    load.stop()
    await outstanding(load.tally)
    for socket in sockets:
        socket.drop()
    return rate
