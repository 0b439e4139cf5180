"""Who gets in: what happens to each TCP connection when it is accepted, before anything is read of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from .addresses import Addresses, address_key
from .answers import retry_after
from .limits import Sockets
from .proxies import TrustedProxies

MAX_FAREWELLS: Final = 32
"""Connections turned away that may linger until they have read their answer; the rest of the reserve is not theirs."""

FAREWELL_S: Final = 1.0

IDLE_S: Final = 0.2
"""Without a request for so long a kept connection is not in use: to end one that is may meet a request that is on its
way, and a proxy cannot know whether that was handled (RFC 9112 section 9.5)."""
_FULL: Final = "503 Service Unavailable", b"the server is full; try again later\n"
_TOO_MANY: Final = "429 Too Many Requests", b"too many connections from your address; try again later\n"
ANSWERS: Final = {"connections": _FULL, "address": _TOO_MANY, "address_rate": _TOO_MANY}
"""Status and text by the reason of the metric."""


def farewell(reason: str) -> bytes:
    """The answer to a connection that is turned away."""
    status, text = ANSWERS[reason]
    head = (
        f"HTTP/1.1 {status}\r\nRetry-After: {retry_after()}\r\nConnection: close\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


class Farewell(asyncio.Protocol):
    """Turns one connection away, at accept time, before anything is allocated for it.

    The answer is out at once. The connection lingers until its request has come, since closing with a request unread
    resets it and the answer may be lost; but only so many linger, and only so long.

    Args:
        sockets: counts.
        answer: what it is told.
    """

    __slots__ = ("_answer", "_sockets", "_timer", "_transport")

    def __init__(self, sockets: Sockets, answer: bytes) -> None:
        self._sockets = sockets
        self._answer = answer
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answers."""
        # uvloop's transports keep the interface of asyncio.Transport and are none.
        self._transport = transport = cast(asyncio.Transport, transport)
        self._sockets.farewells += 1
        transport.write(self._answer)
        if self._sockets.farewells > MAX_FAREWELLS:
            transport.close()
        else:
            self._timer = asyncio.get_running_loop().call_later(FAREWELL_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Its request is here; closing resets nothing now."""
        assert self._transport is not None
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._sockets.farewells -= 1
        if self._timer is not None:
            self._timer.cancel()


class Doorman(asyncio.Protocol):
    """Asks for the address of a connection, which is known only once it is made, and hands it on to who talks to it.

    Args:
        welcome: gives the protocol for a peer's host.
    """

    __slots__ = ("_welcome",)

    def __init__(self, welcome: Callable[[str], asyncio.Protocol]) -> None:
        self._welcome = welcome

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hands it on."""
        peer = transport.get_extra_info("peername")
        protocol = self._welcome(peer[0] if isinstance(peer, tuple) else "")
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


class Door(web.Server):
    """aiohttp's server with limits: makes a protocol for each accepted connection.

    Args:
        handler: handles requests.
        sockets: counts.
        limit: connections at most.
        addresses: counts by address, and limits.
        proxies: whose connections are many clients', who are counted at their handshakes (see `entrance`).
        on_refused: called with the reason for each one turned away.
        options: aiohttp's.
    """

    def __init__(
        self,
        handler: Any,
        sockets: Sockets,
        limit: int,
        addresses: Addresses,
        proxies: TrustedProxies,
        on_refused: Callable[[str], None],
        **options: Any,
    ) -> None:
        async def handle(request: web.BaseRequest) -> Any:
            self._met[request.protocol] = monotonic()
            try:
                return await handler(request)
            finally:
                if request.protocol in self._met:  # a WebSocket has left it
                    self._met[request.protocol] = monotonic()

        super().__init__(handle, handler_cancellation=True, **options)
        self._sockets = sockets
        self._limit = limit
        self._addresses = addresses
        self._proxies = proxies
        self._on_refused = on_refused
        self._keys: dict[RequestHandler, str] = {}
        # Those whose first request has come, and when something last did or was answered.
        self._met: dict[RequestHandler, float] = {}

    def __call__(self) -> Any:
        """The protocol of the connection that was just accepted."""
        sockets = self._sockets
        if sockets.count + sockets.guests >= self._limit:
            return self._turn_away("connections")
        if self._addresses.limited:
            return Doorman(self._welcome)
        return super().__call__()

    def _turn_away(self, reason: str) -> Farewell:
        self._on_refused(reason)
        return Farewell(self._sockets, farewell(reason))

    def _welcome(self, host: str) -> asyncio.Protocol:
        handler = super().__call__()
        if not self._proxies.trusts(host):
            key = address_key(host)
            reason = self._addresses.refuse(key, monotonic())
            if reason:
                return self._turn_away(reason)
            self._keys[handler] = key
        return handler

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """aiohttp has one more."""
        self._sockets.guests += 1
        self._addresses.enter(self._keys.get(handler, ""))
        super().connection_made(handler, transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """aiohttp has one less: it closed, or became a WebSocket."""
        self._sockets.guests -= 1
        self._addresses.leave(self._keys.pop(handler, ""))
        self._met.pop(handler, None)
        super().connection_lost(handler, exc)

    def close_kept(self) -> None:
        """Ends connections that are kept between two requests, and the others when their request is answered: a proxy
        would send its next client here. Those whose first request is yet to come stay, for it may be on its way; so do
        those in use, until they have been idle for `IDLE_S` or have had their answer, which must be their last then."""
        in_use = False
        for handler, used_s in list(self._met.items()):
            # aiohttp waits for a request there, and does not tell.
            if handler._waiter is None:
                handler.close()
            elif monotonic() - used_s >= IDLE_S:
                handler.force_close()
            else:
                in_use = True
        if in_use:
            asyncio.get_running_loop().call_later(IDLE_S, self.close_kept)
