"""How many connections there may be, and what happens to one too many."""

from __future__ import annotations

import asyncio
import resource
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

RESERVED_FILES: Final = 96
"""Descriptors for what is no client: Redis, admin server, log, static files, those being turned away."""

MAX_FILES: Final = 1_048_576
"""More is not asked for where the hard limit is infinite; Linux allows this many by default (fs.nr_open)."""

MAX_FAREWELLS: Final = 32
"""Connections turned away that may linger until they have read their answer; the rest of the reserve is not theirs."""

FAREWELL_S: Final = 1.0

_SORRY = b"the server is full; try again later\n"
BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b" % (len(_SORRY), _SORRY)
)


class Sockets:
    """How many connections are open.

    Attributes:
        count: open WebSockets, whatever tenure they are of.
        guests: connections that are still aiohttp's: before or without an upgrade.
        farewells: connections being turned away.
    """

    __slots__ = ("count", "farewells", "guests")

    def __init__(self) -> None:
        self.count = 0
        self.guests = 0
        self.farewells = 0


def raise_file_limit() -> int:
    """Raises the soft limit of file descriptors to the hard one where that is possible; gives the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MAX_FILES if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        # Some systems forbid what getrlimit offers (macOS: OPEN_MAX); the soft limit holds then.
        return soft
    return wanted


def connection_limit(wanted: int, files: int) -> int:
    """How many connections may be open.

    Args:
        wanted: what the settings say; 0 for as many as the descriptors allow.
        files: limit of file descriptors.
    """
    possible = max(1, files - RESERVED_FILES)
    return min(wanted, possible) if wanted else possible


class Farewell(asyncio.Protocol):
    """Turns one connection away, at accept time, before anything is allocated for it.

    The answer is out at once. The connection lingers until its request has come, since closing with a request unread
    resets it and the answer may be lost; but only so many linger, and only so long.
    """

    __slots__ = ("_sockets", "_timer", "_transport")

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answers 503."""
        # uvloop's transports keep the interface of asyncio.Transport and are none.
        self._transport = transport = cast(asyncio.Transport, transport)
        self._sockets.farewells += 1
        transport.write(BUSY)
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


class Door(web.Server):
    """aiohttp's server with a limit: makes a protocol for each accepted connection.

    Args:
        handler: handles requests.
        sockets: counts.
        limit: connections at most.
        on_full: called for each one turned away.
        options: aiohttp's.
    """

    def __init__(self, handler: Any, sockets: Sockets, limit: int, on_full: Any, **options: Any) -> None:
        super().__init__(handler, handler_cancellation=True, **options)
        self._sockets = sockets
        self._limit = limit
        self._on_full = on_full

    def __call__(self) -> Any:
        """The protocol of the connection that was just accepted."""
        sockets = self._sockets
        if sockets.count + sockets.guests >= self._limit:
            self._on_full()
            return Farewell(sockets)
        return super().__call__()

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """aiohttp has one more."""
        self._sockets.guests += 1
        super().connection_made(handler, transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """aiohttp has one less: it closed, or became a WebSocket."""
        self._sockets.guests -= 1
        super().connection_lost(handler, exc)
