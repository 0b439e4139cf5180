"""One connection through the proxy: the process on one side, Redis on the other, and where it stands still."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple, Protocol, cast
from urllib.parse import SplitResult

from tests.faults.command_names import name_of
from tests.faults.delay_line import DelayLine
from tests.faults.points import Held, Points
from tests.faults.resp import RespError, Splitter, is_push

# SO_LINGER on, with 0 seconds: the close is an RST and no FIN (socket(7)).
_RESET = struct.pack("ii", 1, 0)


class _Asked(NamedTuple):
    """A request that was forwarded and is not answered.

    Attributes:
        after: where its answer stops.
        tells: its answer names Redises by their addresses.
    """

    after: Held | None = None
    tells: bool = False


_NOBODY = _Asked()
_TELLING = ("CLUSTER", "SENTINEL")


class Hub(Protocol):
    """What all connections of a proxy share."""

    points: Points
    counts: Counter[str]
    delay_s: float
    partitioned: bool
    relays: set[Relay]

    def accepted(self, relay: Relay) -> None:
        """The process has connected: has `Relay.connect` run."""

    async def connect(self, side: asyncio.Protocol, upstream: SplitResult) -> object:
        """Connects to Redis."""

    def by_doors(self, reply: bytes) -> bytes:
        """An answer that names Redises, with their doors in the places of their addresses."""


class _Side(asyncio.Protocol):
    """One socket of the two.

    Args:
        made: called when it is connected.
        delay_s: as for `DelayLine`.
        take: gets every chunk, and None when the socket is gone.
    """

    def __init__(
        self, made: Callable[[], None], delay_s: Callable[[], float], take: Callable[[bytes | None], None]
    ) -> None:
        self._made = made
        self.line = DelayLine(delay_s, take)
        self.transport: asyncio.Transport | None = None
        self.other: _Side
        self.gone = asyncio.Event()  # also while it was never there
        self.gone.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.gone.clear()
        self._made()

    def data_received(self, data: bytes) -> None:
        self.line.put(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        self.line.put(None)

    def pause_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.resume_reading()

    def write(self, frames: list[bytes]) -> None:
        if frames and self.transport is not None and not self.transport.is_closing():
            self.transport.writelines(frames)

    def close(self) -> None:
        """Ends it behind what is written."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """Ends it at once, with an RST."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()


class Relay:
    """A connection. Requests behind a stopped one wait here, without bound: who waits for an answer sends little.

    Args:
        hub: the proxy's.
        upstream: Redis.
    """

    def __init__(self, hub: Hub, upstream: SplitResult) -> None:
        self._hub = hub
        self._upstream = upstream
        self.client = _Side(self._accepted, lambda: hub.delay_s, self._from_client)
        self.redis = _Side(self._connected, lambda: hub.delay_s, self._from_redis)
        self.client.other, self.redis.other = self.redis, self.client
        self._request_splitter = Splitter()
        self._reply_splitter = Splitter()
        self._requests: deque[bytes] = deque()  # not forwarded yet
        self._replies: deque[bytes] = deque()  # not delivered yet
        self._asked: deque[_Asked] = deque()
        self._stop: Held | None = None  # no request passes until it is decided
        self._stopped_request: tuple[bytes, _Asked] | None = None
        self._stopped_reply: bytes | None = None
        self._mute = hub.partitioned
        self._ended = False  # by the process or by us: Redis' side has no reason to be
        self._redis_gone = False
        hub.relays.add(self)

    def _accepted(self) -> None:
        if self._ended:
            self.client.reset()  # it was cut between the process's connect and now
        else:
            self._hub.accepted(self)

    async def connect(self) -> None:
        """Connects to Redis; requests wait until then. Without Redis the process's connection is reset."""
        if self._mute:
            return
        try:
            await self._hub.connect(self.redis, self._upstream)
        except OSError:
            self.cut()

    def _connected(self) -> None:
        if self._ended:
            self.redis.close()
        self._pass_requests()

    # ---- what is done to it ----

    def go(self, held: Held) -> None:
        """Goes on from where it was stopped, or shall be."""
        if held is not self._stop:
            return
        self._stop = None
        if self._stopped_request is not None:
            (request, asked), self._stopped_request = self._stopped_request, None
            self.redis.write([request])
            self._wait_for_answer(asked)
        if self._stopped_reply is not None:
            reply, self._stopped_reply = self._stopped_reply, None
            self._replies.appendleft(reply)
            self._asked.appendleft(_NOBODY)
            self._pass_replies()
        self._pass_requests()

    def cut(self) -> None:
        """Resets the process's side. Redis' side ends behind what was forwarded, so that this has happened."""
        self._mute = self._ended = True
        for side in (self.client, self.redis):
            side.line.drop()
        self.client.reset()
        self.redis.close()
        self._forget_if_gone()

    def mute(self) -> None:
        """Drops whatever comes from now on, from either side, until it is cut."""
        self._mute = True

    # ---- from the process to Redis ----

    def _from_client(self, chunk: bytes | None) -> None:
        if self._mute:
            self._forget_if_gone()
        elif chunk is None:
            self._ended = True
            self._requests.clear()
            self.redis.close()
            self._forget_if_gone()
        else:
            try:
                self._requests.extend(self._request_splitter.feed(chunk))
                self._pass_requests()
            except RespError:
                self._hub.counts["(no RESP)"] += 1
                self.cut()

    def _pass_requests(self) -> None:
        if self._mute or self.redis.transport is None:
            return
        passed: list[bytes] = []
        while self._requests and self._stop is None:
            request = self._requests.popleft()
            name = name_of(request)
            self._hub.counts[name] += 1
            stops = self._hub.points.stops(name, request, self) or {}
            asked = _Asked(stops.get("after"), name in _TELLING)
            if "before" in stops:
                self._stop = stops["before"]
                self._stopped_request = request, asked
            else:
                passed.append(request)
                self._wait_for_answer(asked)
        self.redis.write(passed)
        if self._stopped_request is not None and self._stop is not None:
            self._stop.arrive()

    def _wait_for_answer(self, asked: _Asked) -> None:
        self._asked.append(asked)
        self._stop = None if asked.after is None or asked.after.decided else asked.after

    # ---- from Redis to the process ----

    def _from_redis(self, chunk: bytes | None) -> None:
        if self._mute:
            self._forget_if_gone()
        elif chunk is None:
            self._redis_gone = True
            self._pass_replies()
        else:
            try:
                self._replies.extend(self._reply_splitter.feed(chunk))
                self._pass_replies()
            except RespError:
                self._hub.counts["(no RESP)"] += 1
                self.cut()

    def _pass_replies(self) -> None:
        passed: list[bytes] = []
        while self._replies and self._stopped_reply is None:
            reply = self._replies.popleft()
            # Unasked comes also the error of a Redis that will not have us, before it closes.
            after, tells = self._asked.popleft() if self._asked and not is_push(reply) else _NOBODY
            reply = self._hub.by_doors(reply) if tells else reply
            if after is None or after.decided:
                passed.append(reply)
            else:
                self._stopped_reply = reply
        self.client.write(passed)
        if self._stopped_reply is not None and self._stop is not None:
            self._stop.arrive()
        elif self._redis_gone:
            self.client.close()
            self._forget_if_gone()

    # ---- its end ----

    def _forget_if_gone(self) -> None:
        if self.client.gone.is_set() and self.redis.gone.is_set():
            self._hub.relays.discard(self)
