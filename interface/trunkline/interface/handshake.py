"""A WebSocket handshake on its way: aiohttp's request until the verdict, a transport of our own behind it."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .answers import plain
from .backlog import POLICIES
from .headers import UPGRADE_OWNS, clean_headers
from .upgrade import Upgrade, switching

if TYPE_CHECKING:
    from .connection import Connection
    from .tenure import Tenure


class _Tail:
    """Collects what a client sent behind its handshake before it was answered; aiohttp keeps it for a parser."""

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """aiohttp has lost the connection: to us."""


class Handshake:
    """A handshake that waits for its verdict.

    Args:
        request: its request.
        upgrade: what it asks for.
        deflate: permessage-deflate is agreed on.
        tenure: whom it belongs to.
    """

    __slots__ = ("_deflate", "_request", "_started_s", "_tenure", "_upgrade", "answer")

    def __init__(self, request: web.BaseRequest, upgrade: Upgrade, deflate: bool, tenure: Tenure) -> None:
        self._request = request
        self._upgrade = upgrade
        self._deflate = deflate
        self._tenure = tenure
        self._started_s = perf_counter()
        self.answer: asyncio.Future[web.Response] = tenure.loop.create_future()

    def refuse(self, status: int, text: str) -> None:
        """Answers with an HTTP status, unless it is answered."""
        if not self.answer.done():
            self._count(f"refused_{status}" if status in (403, 404, 500, 503) else "refused")
            self.answer.set_result(plain(status, text))

    def accept(self, verdict: dict[str, Any], connection: Connection) -> bytes | None:
        """Answers with 101 and takes the transport from aiohttp, whose part in this connection ends here.

        Args:
            verdict: the connect handler's; may name ``subprotocol``, ``headers`` and ``outbound``.
            connection: the transport's protocol from now on.

        Returns:
            What the client sent behind its handshake. None if it has just gone: then it is as if it had left while
            the handler ran.
        """
        protocol: Any = self._request.protocol
        transport = protocol.transport
        if transport is None or transport.is_closing() or self.answer.done():
            return None
        headers, faults = clean_headers(verdict.get("headers"), UPGRADE_OWNS)
        subprotocol = verdict.get("subprotocol")
        if subprotocol is not None and subprotocol not in self._upgrade.subprotocols:
            faults.append(f"subprotocol {subprotocol!r:.80}: the client does not offer it")
            subprotocol = None
        policy = self._tenure.policy
        named = verdict.get("outbound")
        if named is not None:
            if type(named) is str and named in POLICIES:
                policy = POLICIES[named]
            else:
                faults.append(f"outbound {named!r:.80}: expected {', '.join(POLICIES)}")
        for fault in faults:
            self._tenure.drop("bad_accept")
            self._tenure.warn("accept", "accepting a WebSocket: %s", fault)
        transport.write(switching(self._upgrade.key, subprotocol, self._deflate, headers))
        self._count("accepted")
        tail = _Tail()
        protocol.set_parser(tail)
        protocol.keep_alive(False)
        # aiohttp believes the connection lost: it cancels the handler, frees its memory, and does not close what it
        # does not have. From here on the transport calls `connection`.
        protocol.transport = None
        transport.set_protocol(connection)
        protocol.connection_lost(None)
        connection.opened(transport, policy)
        return tail.data

    def _count(self, outcome: str) -> None:
        metrics = self._tenure.metrics
        metrics.handshakes.get(outcome).value += 1
        metrics.handshake_seconds.get(outcome).observe(perf_counter() - self._started_s)
