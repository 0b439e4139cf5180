"""The dashboard's routes on an admin server: the page, its files, and the stream of events. All of them only read."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import Final

from aiohttp import web

from ..layer import OperatorLayer
from ..process.admin import Handler
from ..process.logs import RateLimited
from ..process.metrics import MetricSet
from ..settings import ProcessSettings
from . import events
from .broadcast import Broadcast, Viewer
from .files import PAGE, static_files
from .guard import HEADERS, refusal
from .look import ClusterLook, Examine

KEEP_ALIVE_S: Final = 15.0
"""Silence after which a comment is sent; proxies end a connection that says nothing for a minute."""
STALL_S: Final = 10.0
"""A viewer whose socket takes nothing for so long is dropped."""
RETRY_S: Final = 2.0
"""A browser whose stream ended comes again after this time."""
FULL_RETRY_S: Final = 30.0
"""The same, where there was no room."""

_warnings = RateLimited(logging.getLogger(__name__))


class Dashboard:
    """The page of one process.

    Args:
        broadcast: tells of the cluster.
        metrics: where its own are declared.
        admin_host: what the admin server listens on; a name there counts as ours.
        ended: closes what the broadcast looks with, when it has ended.
        enabled: without, there are no routes.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        metrics: MetricSet,
        admin_host: str,
        ended: Callable[[], Awaitable[None]] | None = None,
        enabled: bool = True,
    ) -> None:
        self._broadcast = broadcast
        self._ended = ended
        self._enabled = enabled
        self._names = frozenset({admin_host.lower(), socket.gethostname().lower()})
        metrics.gauge(
            "dashboard_viewers", "Browsers that watch the dashboard here.", lambda: broadcast.viewers
        )
        self._refused = metrics.labelled_counter(
            "dashboard_refused", "Requests for the dashboard that were refused, by reason.", ["reason"]
        )
        self._dropped = metrics.counter(
            "dashboard_slow_viewers", "Viewers of the dashboard that were dropped because they did not read."
        )

    @classmethod
    def of_cluster(
        cls,
        operator: OperatorLayer,
        metrics: MetricSet,
        settings: ProcessSettings,
        examine: Examine | None = None,
    ) -> Dashboard:
        """The page of a process of a cluster.

        Args:
            operator: whom to ask about the cluster; it stays the caller's to close, behind this.
            metrics: of the process.
            settings: of the process.
            examine: finds what is wrong with the cluster; None for nobody who knows.
        """
        look = ClusterLook(operator, None if examine is None else lambda facts: examine(facts, settings))
        return cls(Broadcast(look), metrics, settings.admin_host, look.close, settings.dashboard)

    def routes(self) -> dict[str, Handler]:
        """Its routes, for `AdminServer`."""
        if not self._enabled:
            return {}
        return {
            "/": self._to_page,
            "/dashboard": self._show_page,
            "/dashboard/": self._to_page,
            "/dashboard/events": self._show_events,
            "/dashboard/{name}": self._show_file,
        }

    async def close(self) -> None:
        """Ends every stream, so that the admin server can stop at once. Idempotent."""
        await self._broadcast.close()
        if self._ended is not None:
            await self._ended()

    # ---- page and files ----

    async def _to_page(self, request: web.Request) -> web.StreamResponse:
        # Relative, so that it also leads there where a proxy shows it below a path of its own.
        where = "dashboard" if request.path == "/" else "../dashboard"
        return web.Response(status=302, headers={**HEADERS, "Location": where})

    async def _show_page(self, request: web.Request) -> web.StreamResponse:
        return self._refusal(request, document=True) or self._file(request, PAGE)

    async def _show_file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        return self._refusal(request) or self._file(request, name if name != PAGE else "")

    def _file(self, request: web.Request, name: str) -> web.Response:
        file = static_files().get(name)
        if file is None:
            return web.Response(status=404, text="there is no such file\n", headers=HEADERS)
        # Checked each time: a new version of the process must not meet the old one's script.
        headers = {**HEADERS, "ETag": file.etag, "Cache-Control": "no-cache"}
        if file.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.body, headers={**headers, "Content-Type": file.kind})

    def _refusal(self, request: web.Request, *, document: bool = False) -> web.Response | None:
        reason = refusal(request.headers, self._names, document=document)
        if reason is None:
            return None
        self._refused.get("not_ours").value += 1
        _warnings.warning("refused", "dashboard refused: %s", reason)
        return web.Response(status=403, text=reason + "\n", headers=HEADERS)

    # ---- the stream ----

    async def _show_events(self, request: web.Request) -> web.StreamResponse:
        refused = self._refusal(request)
        if refused is not None:
            return refused
        stream = web.StreamResponse(
            # X-Accel-Buffering: nginx would keep events back until it has a bufferful.
            headers={**HEADERS, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        stream.content_type = "text/event-stream"
        viewer = self._broadcast.join(request.headers.get("Last-Event-ID", ""))
        try:
            await stream.prepare(request)
            if viewer is None:
                await self._turn_away(request, stream)
            else:
                await self._tell(request, stream, viewer)
        except ConnectionError:
            pass  # The browser has gone, as browsers do.
        finally:
            self._broadcast.leave(viewer)
        return stream

    async def _turn_away(self, request: web.Request, stream: web.StreamResponse) -> None:
        # By an event and not a status: a browser would take a 503 for the end and never come back.
        self._refused.get("full").value += 1
        text = json.dumps({"text": "as many people watch here as may"})
        await self._write(request, stream, events.retry(FULL_RETRY_S) + events.event("refused", text))

    async def _tell(self, request: web.Request, stream: web.StreamResponse, viewer: Viewer) -> None:
        await self._write(request, stream, events.retry(RETRY_S) + self._hello())
        while not viewer.closed:
            await self._write(request, stream, await viewer.take(KEEP_ALIVE_S) or events.KEEP_ALIVE)

    async def _write(self, request: web.Request, stream: web.StreamResponse, chunk: bytes) -> None:
        try:
            async with asyncio.timeout(STALL_S):
                await stream.write(chunk)
        except TimeoutError as error:
            self._dropped.value += 1
            # Not closed but cut: closing would wait until it has read what it does not read.
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionError("the viewer does not read") from error

    def _hello(self) -> bytes:
        told: Mapping[str, object] = {
            "interval_s": self._broadcast.interval_s,
            "version": version("trunkline"),
            "past": self._broadcast.past(),
        }
        return events.event("hello", json.dumps(told))
