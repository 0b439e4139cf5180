"""An interface server: listens, holds a tenure, starts over when it is fenced, drains when it is stopped."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiohttp import web

from trunkline.protocol.process import pulse
from trunkline.protocol.process.desired import Load, LoadMeter
from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.process.runner import Supervised, supervise
from trunkline.protocol.process.tracing import OpenTracing, no_tracing

from .door import Door
from .drain import close_paced
from .entrance import Entrance
from .heartbeat import beat
from .levels import Levels, measure
from .limits import connection_limit, raise_file_limit
from .listener import Listener, http_logger, listen
from .metrics import InterfaceMetrics
from .newcomers import UsedShards, follow
from .proxies import TrustedProxies
from .settings import InterfaceSettings
from .shared import Shared
from .succession import FENCED, LayerFactory, Succession, retire
from .tenure import Tenure
from .trip import make_trip
from .turns import QueueWait, take_turns
from .waterfall import Waterfall

log = logging.getLogger(__name__)

CLOSING_SHARE: Final = 0.6
"""Part of the drain time in which the sockets are closed; the rest is for their disconnects to be handled."""
DRAINING: Final = "draining"
"""Why it is not ready then."""
_LEVELS_S: Final = 0.1
_START_OVER: Final = "start over"


class InterfaceServer:
    """An interface server within an event loop; `trunkline dev` runs one beside a worker.

    Args:
        settings: of the process.
        layers: what makes the layer of each shard, in the order of their numbers, or of the only one; called again
            after each fencing.
        metrics: where to declare the metrics.
        on_death: told when a background loop died; the process cannot live on then.
        sleep: the heartbeat's clock.
        queue_wait: tells how long entries wait for workers; without it nobody is refused because of that.
        inherited: sockets to listen on instead of what the settings say.
        used_shards: tells how many shards newcomers use; without it they use all.
        tracing: gives what makes spans, or None for none.

    Attributes:
        tracing: what makes spans, or None.
    """

    def __init__(
        self,
        settings: InterfaceSettings,
        layers: LayerFactory | Sequence[LayerFactory],
        metrics: MetricSet | None = None,
        on_death: Callable[[str, BaseException | None], None] | None = None,
        sleep: Callable[[float], Any] = pulse.beat,
        queue_wait: QueueWait | None = None,
        inherited: Sequence[socket.socket] = (),
        tracing: OpenTracing = no_tracing,
        used_shards: UsedShards | None = None,
    ) -> None:
        self._settings = settings
        self._layers = (layers,) if callable(layers) else tuple(layers)
        self.metrics = InterfaceMetrics(
            metrics if metrics is not None else MetricSet(), self.levels, settings.backlog
        )
        self.tracing = tracing(self.metrics.spans)
        self._on_death = on_death
        self._sleep = sleep
        self._queue_wait = queue_wait
        self._inherited = inherited
        self._used_shards = used_shards
        self._shared: Shared | None = None
        self._succession: Succession | None = None
        self._door: Door | None = None
        self._listener: Listener | None = None
        self._background: list[Supervised] = []
        self._reason: str | None = "starting"
        self._serving = False
        self._limit = 0
        self._levels = (-1.0, Levels(0))
        self._meter = LoadMeter()

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
        shared = self._shared = Shared(self._settings, self.metrics, loop, self.tracing)
        if self._used_shards is not None and len(self._layers) > 1:
            shared.shards_used = await self._used_shards()
        proxies = TrustedProxies(self._settings.trusted_proxies)
        entrance = Entrance(shared, proxies, self.answering, self._closing, self._server_address)
        limit = self._limit = connection_limit(self._settings.max_connections, raise_file_limit())
        self._door = Door(
            entrance,
            shared.sockets,
            limit,
            shared.addresses,
            proxies,
            shared.turned_away,
            access_log=None,
            logger=http_logger(self.metrics),
            keepalive_timeout=self._settings.request_timeout_s,
            lingering_time=2.0,
            # The message has the body as its headers describe it.
            auto_decompress=False,
        )
        self._listener = await listen(self._settings, self._door, self._inherited)
        addresses = self._listener.addresses
        succession = self._succession = Succession(shared, self._layers, admin, addresses)
        await succession.begin()
        self._reason = None
        await self._listener.serve()
        self._serving = True
        self._begin_background(shared, succession)
        log.info("listening address=%s interface=%s connections=%d", ",".join(addresses), self.id, limit)
        return addresses

    def _begin_background(self, shared: Shared, succession: Succession) -> None:
        rhythm = shared.rhythm
        self._background = [
            supervise("heartbeat", lambda: beat(shared.wheel, rhythm.tick_s, self._sleep), self._died),
            supervise(_START_OVER, succession.follow, self._died),
        ]
        queue_wait = self._queue_wait
        if queue_wait is not None and self._settings.max_wait_s:
            turns = supervise(
                "turns", lambda: take_turns(shared, queue_wait, lambda: succession.tenure), self._died
            )
            self._background.append(turns)
        used = self._used_shards
        if used is not None and len(self._layers) > 1:
            self._background.append(supervise("used shards", lambda: follow(shared, used), self._died))

    def _died(self, name: str, error: BaseException | None) -> None:
        self._reason = f"background loop {name} died"
        if self._on_death is not None:
            self._on_death(name, error)

    async def drain(self) -> None:
        """Stops in order: accepts nothing, closes sockets with 1012 at an even pace, waits until every disconnect is
        handled, gives the lease up. Takes ``drain_s`` at most; what is left then is cut off. If it is cancelled,
        `close` must still be called."""
        self._reason = DRAINING
        for task in self._background:
            if task.name == _START_OVER:
                await task.stop()
        tenure = self.tenure
        deadline_s = time.monotonic() + self._settings.drain_s
        if self._listener is not None and self._door is not None:
            await self._listener.close()
            self._door.close_kept()
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
            for shard in tenure.shards:
                shard.publisher.flush()
            tenure.end()
            await retire(tenure, max(0.5, deadline_s - time.monotonic()))
        await self.close()

    async def close(self) -> None:
        """Ends at once. Idempotent."""
        self._reason = self._reason or "stopped"
        tenure = self.tenure
        if self._succession is not None:
            self._succession.tenure = None
        for task in self._background:
            await task.stop()
        self._background = []
        if self._shared is not None and self._shared.watch is not None:
            self._shared.watch.close()
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()
        if self._door is not None:
            self._door.pre_shutdown()
            await self._door.shutdown(0.1)
        if tenure is not None:
            tenure.end()
            for connection in self._shared.wheel.items() if self._shared is not None else ():
                connection.cut()
            for shard in tenure.shards:
                await shard.layer.close()

    # ---- what others ask ----

    @property
    def id(self) -> str:
        """The present interface id, empty while there is none."""
        return self.tenure.id if self.tenure is not None else ""

    @property
    def shared(self) -> Shared | None:
        """What tenures share; None before the start."""
        return self._shared

    @property
    def tenure(self) -> Tenure | None:
        """The present tenure."""
        return self._succession.tenure if self._succession is not None else None

    def _server_address(self) -> list[Any]:
        return self._listener.bound if self._listener is not None else ["", 0]

    def answering(self) -> Tenure | None:
        """The tenure for a request, None if none is answered. In a drain, those on connections of before are."""
        return self.tenure if self._reason in (None, DRAINING) else None

    def _closing(self) -> bool:
        """Whether clients shall go elsewhere."""
        return self._reason is not None

    def ready(self) -> str | None:
        """Why it cannot take connections now, None if it can; for ``/ready``."""
        if self._reason is not None:
            return self._reason
        if not self._serving:
            # The lease is held already, so that others may ask; a client would not be let in yet.
            return "starting"
        if self.tenure is None:
            return FENCED
        if not self.tenure.up:
            return "the channel layer does not answer"
        return None

    async def trip(self, request: web.Request) -> web.Response:
        """Admin route ``/trip``: one message through the cluster and back."""
        reason = self.ready()
        if reason is not None or self.tenure is None:
            return web.Response(status=503, text=f"{reason}\n")
        status, text = await make_trip(self.tenure)
        return web.Response(status=status, text=text + "\n")

    async def waterfall(self, request: web.Request) -> web.Response:
        """Admin route ``/waterfall``: when the steps of a few messages were done, see `waterfall`."""
        watch = self._shared.watch if self._shared is not None else None
        kept = watch.waterfall if watch is not None and watch.waterfall is not None else Waterfall(0.0)
        return web.json_response(kept.as_json(self.id), headers={"Cache-Control": "no-store"})

    def load(self, at_s: float) -> Load:
        """Its load of the last seconds; asked at regular intervals.

        Args:
            at_s: seconds that only rise.
        """
        connections = self._shared.sockets.count if self._shared is not None else 0
        return self._meter.note(at_s, time.process_time(), connections=connections)

    def levels(self) -> Levels:
        """What the gauges show; counted once for all gauges of a scrape."""
        now_s = time.monotonic()
        if now_s - self._levels[0] > _LEVELS_S:
            open_sockets = self._shared.sockets.count if self._shared is not None else 0
            self._levels = (now_s, measure(self.tenure, open_sockets, self._limit))
        return self._levels[1]
