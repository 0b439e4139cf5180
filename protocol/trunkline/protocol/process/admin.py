"""The admin server: ``/metrics``, ``/targets``, ``/live``, ``/ready`` on its own port, away from the public one."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from ..errors import ConfigError, LayerError
from .advertise import joined
from .logs import RateLimited
from .metrics import MetricSet
from .targets import PATH as TARGETS
from .vitals import Vitals

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REFRESH_LIMIT_S = 2.0
"""A scrape waits no longer for `refresh`: Prometheus itself gives up after 10 s and would have no figures."""

STOP_LIMIT_S = 1.0
"""A scrape that is under way may take so long to end when the server stops."""

_warnings = RateLimited(logging.getLogger(__name__))


class AdminServer:
    """A small HTTP server for machines that watch the process.

    Args:
        host: address to listen on.
        port: port to listen on; 0 lets the kernel choose.
        metrics: what ``/metrics`` shows.
        ready: why the process cannot take work now, or None if it can.
        refresh: fetches figures that others hold, before each scrape. If it fails with a `LayerError` or
            takes over `REFRESH_LIMIT_S`, the scrape shows what there is, and a counter tells of it.
        targets: handler of ``/targets``.
        targets_port: port that this process shares with others, for ``/targets`` alone; 0 for none.
        extra: further routes, path to handler; ``"POST /path"`` where the method is not GET.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        metrics: MetricSet,
        ready: Callable[[], str | None],
        refresh: Callable[[], Awaitable[None]] | None = None,
        targets: Handler | None = None,
        targets_port: int = 0,
        extra: Mapping[str, Handler] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._metrics = metrics
        self._ready = ready
        self._refresh = refresh
        self._refresh_failures = metrics.counter(
            "metrics_refresh_failures", "Scrapes that show old figures because fetching new ones failed."
        )
        self._vitals = Vitals(metrics)
        app = web.Application()
        app.router.add_get("/metrics", self._show_metrics)
        app.router.add_get("/live", self._show_live)
        app.router.add_get("/ready", self._show_ready)
        routes = {**({TARGETS: targets} if targets else {}), **(extra or {})}
        for route, handler in routes.items():
            method, _, path = route.rpartition(" ")
            app.router.add_route(method or "GET", path, handler)
        self._runner = _runner(app)
        self._shared: web.AppRunner | None = None
        self._targets_port = targets_port
        if targets is not None and targets_port:
            shared = web.Application()
            shared.router.add_get(TARGETS, targets)
            self._shared = _runner(shared)

    async def start(self) -> str:
        """Listens and returns ``host:port`` as it is really bound.

        If it is cancelled, `stop` must still be called.

        Raises:
            ConfigError: the address or a port cannot be listened on.
        """
        await self._listen(self._runner, self._port, "--admin-port")
        if self._shared is not None:
            await self._listen(self._shared, self._targets_port, "--targets-port")
        self._vitals.start()
        host, port = self._runner.addresses[0][:2]
        return joined(host, port)

    async def _listen(self, runner: web.AppRunner, port: int, flag: str) -> None:
        await runner.setup()
        try:
            # None, not False: False is refused where the system has no such option.
            await web.TCPSite(runner, self._host, port, reuse_port=runner is self._shared or None).start()
        except OSError as error:
            await self.stop()
            # asyncio wraps the kernel's reason in its own sentence; a name that is not found has a negative
            # number, and no such wrapping.
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            or_none = "port 0 for any free one" if runner is self._runner else "0 for none"
            raise ConfigError(
                f"admin server: cannot listen on {self._host}:{port} ({reason}); "
                f"choose another --admin-host or {flag}, or {or_none}"
            ) from error

    async def stop(self) -> None:
        """Stops listening and closes every connection, within about `STOP_LIMIT_S`. Idempotent."""
        self._vitals.stop()
        if self._shared is not None:
            await self._shared.cleanup()
        await self._runner.cleanup()

    async def _show_metrics(self, request: web.Request) -> web.Response:
        if self._refresh is not None:
            try:
                async with asyncio.timeout(REFRESH_LIMIT_S):
                    await self._refresh()
            except (LayerError, TimeoutError) as error:
                self._refresh_failures.value += 1
                _warnings.warning(
                    "refresh", "metrics show old cluster figures: %s", str(error) or "it took too long"
                )
        return web.Response(
            body=self._metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        )

    async def _show_live(self, request: web.Request) -> web.Response:
        return web.Response(text="live\n")

    async def _show_ready(self, request: web.Request) -> web.Response:
        reason = self._ready()
        return (
            web.Response(text="ready\n") if reason is None else web.Response(status=503, text=f"{reason}\n")
        )


def _runner(app: web.Application) -> web.AppRunner:
    return web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=STOP_LIMIT_S)
