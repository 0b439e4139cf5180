"""Where requests come in: static files, WebSocket handshakes, and everything else for the workers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

from .addresses import address_key
from .answers import SERVER_HEADER, plain
from .body import read_body
from .connection import Connection
from .exchange import Exchange, GaveUp, cut, respond
from .handshake import Handshake
from .methods import ALLOW, REFUSED
from .metrics import InterfaceMetrics
from .origins import Origins
from .proxies import Client, TrustedProxies
from .settings import InterfaceSettings
from .shared import Shared
from .static import StaticFiles
from .tenure import Tenure
from .upgrade import Refusal, Upgrade, read_upgrade, wants_websocket

log = logging.getLogger(__name__)

AWAY: Final = Refusal(503, "the server cannot take connections now", "away")
BUSY: Final = Refusal(503, "the server is busy; try again later", "busy")
TOO_MANY: Final = Refusal(429, "too many connections from your address; try again later", "address")
TOO_OFTEN: Final = Refusal(429, "too many connections from your address; try again later", "address_rate")


LIMITS: Final = frozenset({"away", "busy", "address", "address_rate"})
"""Outcomes that are no fault of the handshake."""


class Entrance:
    """Handles every request; aiohttp's handler.

    Args:
        shared: what outlives a tenure.
        proxies: whose word about clients counts.
        tenure: gives the present tenure, None while there is none (starting over).
        closing: whether who comes now shall go elsewhere: WebSockets are refused, and a request's answer is the last of
            its connection.
        server: what stands in ``server`` of messages: host and port listened on.
    """

    __slots__ = (
        "_closing",
        "_metrics",
        "_origins",
        "_proxies",
        "_server",
        "_settings",
        "_shared",
        "_static",
        "_tenure",
    )

    def __init__(
        self,
        shared: Shared,
        proxies: TrustedProxies,
        tenure: Callable[[], Tenure | None],
        closing: Callable[[], bool],
        server: Callable[[], list[Any]],
    ) -> None:
        settings = shared.settings
        self._shared = shared
        self._settings: InterfaceSettings = settings
        self._metrics: InterfaceMetrics = shared.metrics
        self._tenure = tenure
        self._closing = closing
        self._server = server
        self._static = StaticFiles(settings.static_roots())
        self._origins = Origins(settings.allowed_origins, settings.require_origin)
        self._proxies = proxies

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one request."""
        if request.method in REFUSED:
            return self._counted(plain(405, f"{request.method} is not served here", {"Allow": ALLOW}))
        target = request.raw_path
        if not target.startswith("/"):
            # The absolute form, "GET http://host/path": what counts is the path.
            target = request.rel_url.raw_path_qs
        if len(target) > self._settings.max_path_bytes:
            return self._counted(plain(414, f"a path has at most {self._settings.max_path_bytes} bytes"))
        raw_path, _, query = target.partition("#")[0].partition("?")
        if wants_websocket(request.headers):
            return await self._websocket(request, raw_path, query)
        if request.method in ("GET", "HEAD"):
            found = await self._static.find(raw_path)
            if found is not None:
                found.headers["Server"] = SERVER_HEADER
                if self._closing():
                    found.force_close()
                return self._counted(found)
        tenure = self._tenure()
        if tenure is None or not tenure.up:
            self._shared.turned_away("away")
            return self._counted(plain(503, "the server cannot take requests now"))
        if tenure.admission.requests_busy:
            self._shared.turned_away("busy")
            return self._counted(plain(503, BUSY.text))
        return self._counted(await self._http(request, tenure, raw_path, query))

    def _counted(self, response: web.StreamResponse) -> web.StreamResponse:
        self._metrics.requests.get(str(response.status)).value += 1
        return response

    async def _websocket(self, request: web.BaseRequest, raw_path: str, query: str) -> web.StreamResponse:
        tenure = self._tenure()
        upgrade = self._upgrade(request)
        if isinstance(upgrade, Refusal):
            return self._refused(upgrade, raw_path)
        if tenure is None or not tenure.up or self._closing():
            return self._refused(AWAY, raw_path)
        if tenure.admission.busy:
            return self._refused(BUSY, raw_path)
        if not self._shared.addresses.limited:
            return await self._admit(request, tenure, upgrade, raw_path, query, "")
        address, behind_proxy = self._address(request)
        if not behind_proxy:
            # Counted since its connection was accepted, see `door`.
            return await self._admit(request, tenure, upgrade, raw_path, query, address)
        reason = self._shared.addresses.refuse(address, monotonic())
        if reason:
            return self._refused(TOO_MANY if reason == TOO_MANY.outcome else TOO_OFTEN, raw_path)
        self._shared.addresses.enter(address)
        try:
            return await self._admit(request, tenure, upgrade, raw_path, query, address)
        finally:
            # An open WebSocket counts itself.
            self._shared.addresses.leave(address)

    def _address(self, request: web.BaseRequest) -> tuple[str, bool]:
        """What a client's address is counted under, and whether a trusted proxy told it. A proxy that does not tell is
        counted under nothing: it is many clients."""
        if not self._proxies.trusts(_peer(request)[0]):
            return address_key(_peer(request)[0]), False
        host = self._client(request).host
        return "" if self._proxies.trusts(host) else address_key(host), True

    async def _admit(
        self,
        request: web.BaseRequest,
        tenure: Tenure,
        upgrade: Upgrade,
        raw_path: str,
        query: str,
        address: str,
    ) -> web.StreamResponse:
        """Asks the workers whether a handshake succeeds, and answers it."""
        path = clean(unquote(raw_path))
        deflate = upgrade.deflate and self._settings.deflate
        handshake = Handshake(request, upgrade, deflate, tenure)
        connection_id, reply = tenure.new_id()
        connection = Connection(connection_id, reply, path, tenure, handshake, deflate, address)
        tenure.enter(connection_id, connection)
        if self._shared.watch is not None:
            connection.origin = self._shared.watch.origin(request.headers)
        event = self._event(request, query)
        event["scheme"] = "wss" if event["scheme"] == "https" else "ws"
        event["subprotocols"] = upgrade.subprotocols
        connection.connect(event)
        deadline = tenure.loop.call_later(
            self._settings.handshake_timeout_s,
            connection.abandon,
            503,
            "the application did not answer in time",
        )
        try:
            return await handshake.answer
        except asyncio.CancelledError:
            # The client has gone, or the connection is a WebSocket now and no longer aiohttp's.
            connection.client_left()
            raise
        finally:
            deadline.cancel()

    def _refused(self, refusal: Refusal, raw_path: str) -> web.Response:
        self._metrics.handshakes.get(refusal.outcome).value += 1
        if refusal.outcome in LIMITS:
            self._shared.turned_away(refusal.outcome)
        log.debug("handshake refused status=%d path=%s: %s", refusal.status, raw_path, refusal.text)
        return plain(refusal.status, refusal.text, dict(refusal.headers))

    def _upgrade(self, request: web.BaseRequest) -> Upgrade | Refusal:
        upgrade = read_upgrade(request.method, request.version, request.headers)
        if isinstance(upgrade, Refusal):
            return upgrade
        return self._origins.refuse(request.headers) or upgrade

    async def _http(
        self, request: web.BaseRequest, tenure: Tenure, raw_path: str, query: str
    ) -> web.StreamResponse:
        exchange = Exchange(*tenure.new_id(), tenure, lambda: cut(request))
        try:
            body = await read_body(request, self._settings.http_max_body_bytes, self._settings.http_timeout_s)
            if tenure.ended:  # it ended while the body came
                raise GaveUp(503, "the server starts over")
            event = self._event(request, query)
            event["method"] = request.method
            event["body"] = body
            event["http_version"] = f"{request.version[0]}.{request.version[1]}"
            tenure.enter(exchange.id, exchange)
            if self._shared.watch is not None:
                exchange.origin = self._shared.watch.origin(request.headers)
            exchange.publish(clean(unquote(raw_path)), event)
            return await respond(exchange, request, self._closing)
        except GaveUp as error:
            return plain(error.status, str(error))
        finally:
            tenure.forget(exchange.id)

    def _event(self, request: web.BaseRequest, query: str) -> dict[str, Any]:
        client = self._client(request)
        return {
            "scheme": client.scheme,
            "query_string": clean(query),
            "root_path": "",
            "headers": [[name.lower(), clean(value)] for name, value in request.headers.items()],
            "client": [client.host, client.port],
            "server": self._server(),
        }

    def _client(self, request: web.BaseRequest) -> Client:
        host, port = _peer(request)
        scheme = "https" if self._settings.tls_cert else "http"
        return self._proxies.client(host, port, scheme, request.headers)


def _peer(request: web.BaseRequest) -> tuple[str, int]:
    """Who is at the other end of the connection; nobody with a name on a Unix socket."""
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport is not None else None
    return (peer[0], peer[1]) if isinstance(peer, tuple) else ("", 0)


def clean(text: str) -> str:
    """Text of a request as UTF-8 can hold it: bytes that are no UTF-8 are read as Latin-1 (aiohttp keeps them as lone
    surrogates)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("latin-1")
    return text
