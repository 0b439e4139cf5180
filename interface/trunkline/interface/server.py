"""An interface server: listens, holds a tenure, starts over when it is fenced, drains when it is stopped."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from trunkline.protocol.errors import LayerError
from trunkline.protocol.layer import InterfaceLayer
from trunkline.protocol.process.lease import lease_info
from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.process.runner import Supervised, supervise

from .drain import close_paced
from .entrance import Entrance
from .heartbeat import beat
from .levels import Levels, measure
from .limits import Door, connection_limit, raise_file_limit
from .listener import Listener, http_logger, listen
from .metrics import InterfaceMetrics
from .settings import InterfaceSettings
from .tenure import Shared, Tenure
from .trip import make_trip

log = logging.getLogger(__name__)

LayerFactory = Callable[[], InterfaceLayer]

CLOSING_SHARE: Final = 0.6
"""Part of the drain time in which the sockets are closed; the rest is for their disconnects to be handled."""
MIN_REOPEN_S: Final = 0.1
MAX_REOPEN_S: Final = 2.0
_LEVELS_S: Final = 0.1
_START_OVER: Final = "start over"


class InterfaceServer:
    """An interface server within an event loop; `trunkline dev` runs one beside a worker.

    Args:
        settings: of the process.
        layer_factory: makes a layer that is not opened yet; called again after each fencing.
        metrics: where to declare the metrics.
        on_death: told when a background loop died; the process cannot live on then.
        sleep: the heartbeat's clock.
    """

    def __init__(
        self,
        settings: InterfaceSettings,
        layer_factory: LayerFactory,
        metrics: MetricSet | None = None,
        on_death: Callable[[str, BaseException | None], None] | None = None,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._layer_factory = layer_factory
        self.metrics = InterfaceMetrics(metrics if metrics is not None else MetricSet(), self.levels)
        self._on_death = on_death
        self._sleep = sleep
        self._shared: Shared | None = None
        self._tenure: Tenure | None = None
        self._door: Door | None = None
        self._listener: Listener | None = None
        self._background: list[Supervised] = []
        self._ended: asyncio.Queue[Tenure] = asyncio.Queue()
        self._addresses: list[str] = []
        self._admin = ""
        self._reason: str | None = "starting"
        self._serving = False
        self._levels = (-1.0, Levels(0))

    # ---- life ----

    async def start(self, admin: str = "") -> list[str]:
        """Opens the layer and listens.

        If it is cancelled or fails, `close` must still be called.

        Args:
            admin: ``host:port`` of the admin server, for others to find it.

        Returns:
            The addresses really listened on, as URLs.

        Raises:
            ConfigError: it cannot listen there, or the certificate cannot be read.
            LayerUnavailable: the layer does not answer.
        """
        loop = asyncio.get_running_loop()
        self._admin = admin
        shared = self._shared = Shared(self._settings, self.metrics, loop)
        entrance = Entrance(self._settings, self.accepting, self._server_address)
        limit = connection_limit(self._settings.max_connections, raise_file_limit())
        self._door = Door(
            entrance,
            shared.sockets,
            limit,
            self._turned_away,
            access_log=None,
            logger=http_logger(self.metrics),
            keepalive_timeout=self._settings.request_timeout_s,
            lingering_time=2.0,
            # The message has the body as its headers describe it.
            auto_decompress=False,
        )
        self._listener = await listen(self._settings, self._door)
        self._addresses = self._listener.addresses
        await self._open()
        await self._listener.serve()
        self._serving = True
        self._background = [
            supervise("heartbeat", lambda: beat(shared.wheel, shared.rhythm.tick_s, self._sleep), self._died),
            supervise(_START_OVER, self._start_over, self._died),
        ]
        log.info(
            "listening address=%s interface=%s connections=%d", ",".join(self._addresses), self.id, limit
        )
        return self._addresses

    async def _open(self) -> None:
        """Begins a tenure."""
        assert self._shared is not None
        tenure = Tenure(self._shared, self._layer_factory(), self._fenced)
        info = lease_info(tenure.id, "interface", self._admin, ",".join(self._addresses))
        try:
            await tenure.layer.open(info, tenure)
        except BaseException:
            await tenure.layer.close()
            raise
        tenure.up = True
        self._tenure = tenure
        self._reason = None

    def _fenced(self, tenure: Tenure) -> None:
        log.warning("fenced, closing all sockets and starting over interface=%s", tenure.id)
        self._tenure = None
        self._reason = "fenced, starting over"
        tenure.end()
        # Not within the layer's own call: it may be in the middle of something.
        self._ended.put_nowait(tenure)

    async def _start_over(self) -> None:
        """Follows every tenure that was fenced by another; a background loop."""
        while True:
            old = await self._ended.get()
            await old.layer.close()
            wait_s = MIN_REOPEN_S
            while self._tenure is None:
                try:
                    await self._open()
                except LayerError as error:
                    log.warning("cannot start over yet: %s", error)
                    await asyncio.sleep(wait_s)
                    wait_s = min(MAX_REOPEN_S, wait_s * 2)
            log.info("started over interface=%s", self.id)

    def _died(self, name: str, error: BaseException | None) -> None:
        self._reason = f"background loop {name} died"
        if self._on_death is not None:
            self._on_death(name, error)

    async def drain(self) -> None:
        """Stops in order: accepts nothing, closes sockets with 1012 at an even pace, waits until every disconnect is
        handled, gives the lease up. Takes ``drain_s`` at most; what is left then is cut off. If it is cancelled,
        `close` must still be called."""
        self._reason = "draining"
        for task in self._background:
            if task.name == _START_OVER:
                await task.stop()
        tenure = self._tenure
        deadline_s = time.monotonic() + self._settings.drain_s
        if self._listener is not None:
            self._listener.close()
        if tenure is not None:
            await close_paced(tenure, self._settings.drain_s * CLOSING_SHARE)
            try:
                async with asyncio.timeout(max(0.0, deadline_s - time.monotonic())):
                    await tenure.emptied()
            except TimeoutError:
                log.warning("drain time is over, cutting off connections=%d", len(tenure.recipients))
        if self._door is not None:
            await self._door.shutdown(max(0.1, min(1.0, deadline_s - time.monotonic())))
        if tenure is not None:
            tenure.publisher.flush()
            tenure.end()
            try:
                async with asyncio.timeout(max(0.5, deadline_s - time.monotonic())):
                    await tenure.layer.retire()
            except (LayerError, TimeoutError) as error:
                log.warning("could not give the lease up; it runs out by itself: %s", error or "no answer")
        await self.close()

    async def close(self) -> None:
        """Ends at once. Idempotent."""
        self._reason = self._reason or "stopped"
        tenure, self._tenure = self._tenure, None
        for task in self._background:
            await task.stop()
        self._background = []
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        if self._door is not None:
            self._door.pre_shutdown()
            await self._door.shutdown(0.1)
        if tenure is not None:
            tenure.end()
            for connection in self._shared.wheel.items() if self._shared is not None else ():
                connection.cut()
            await tenure.layer.close()

    # ---- what others ask ----

    @property
    def id(self) -> str:
        """The present interface id, empty while there is none."""
        return self._tenure.id if self._tenure is not None else ""

    @property
    def tenure(self) -> Tenure | None:
        """The present tenure."""
        return self._tenure

    def _server_address(self) -> list[Any]:
        return self._listener.bound if self._listener is not None else ["", 0]

    def accepting(self) -> Tenure | None:
        """The tenure for a new request, None if none is let in."""
        return self._tenure if self._reason is None else None

    def ready(self) -> str | None:
        """Why it cannot take connections now, None if it can; for ``/ready``."""
        if self._reason is not None:
            return self._reason
        if not self._serving:
            # The lease is held already, so that others may ask; a client would not be let in yet.
            return "starting"
        if self._tenure is None or not self._tenure.up:
            return "the channel layer does not answer"
        return None

    async def trip(self, request: web.Request) -> web.Response:
        """Admin route ``/trip``: one message through the cluster and back."""
        reason = self.ready()
        if reason is not None or self._tenure is None:
            return web.Response(status=503, text=f"{reason}\n")
        status, text = await make_trip(self._tenure)
        return web.Response(status=status, text=text + "\n")

    def levels(self) -> Levels:
        """What the gauges show; counted once for all gauges of a scrape."""
        now_s = time.monotonic()
        if now_s - self._levels[0] > _LEVELS_S:
            open_sockets = self._shared.sockets.count if self._shared is not None else 0
            self._levels = (now_s, measure(self._tenure, open_sockets))
        return self._levels[1]

    def _turned_away(self) -> None:
        self.metrics.over_limit.value += 1
        if self._tenure is not None:
            self._tenure.warn("over_limit", "connection limit reached, turning connections away with 503")
