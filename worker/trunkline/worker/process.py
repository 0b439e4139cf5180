"""A worker as a whole: layer, dispatcher and watchdog, started and drained together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.layer import WorkerLayer
from trunkline.protocol.names import INTERFACE_CHANNELS, TRIP, ChannelName, new_worker_id
from trunkline.protocol.process.lease import lease_info
from trunkline.protocol.process.tracing import OpenTracing, no_tracing
from trunkline.protocol.tracks import TRACKED

from .dispatcher import Dispatcher
from .routing import Routing
from .settings import WorkerOptions
from .watchdog import Watchdog

log = logging.getLogger(__name__)


def served_channels(routing: Routing, settings: WorkerOptions) -> list[ChannelName]:
    """The channels a worker reads: those with routes and those of the interface servers, less what settings exclude.

    Interface servers' channels are served without routes too: somebody must answer that there is none.

    Raises:
        ConfigError: nothing is left, or too little to serve a track.
    """
    only, exclude = settings.only_channels, settings.exclude_channels
    served = [
        channel
        for channel in sorted(routing.channels | set(INTERFACE_CHANNELS))
        if (not only or any(fnmatchcase(channel, glob) for glob in only))
        and not any(fnmatchcase(channel, glob) for glob in exclude)
    ]
    if not served:
        raise ConfigError(
            f"--only-channels {','.join(only) or '*'} and --exclude-channels {','.join(exclude) or '-'} leave none of "
            f"the channels {', '.join(sorted(routing.channels | set(INTERFACE_CHANNELS)))}"
        )
    if settings.track and (missing := TRACKED.difference(served)):
        raise ConfigError(
            f"--track {settings.track} and channels that leave out {', '.join(sorted(missing))}: connections of the "
            "track would wait there for ever, because nobody else serves a track that has a worker"
        )
    return served if TRIP in served else [*served, TRIP]


class WorkerProcess:
    """One worker.

    Args:
        settings: limits.
        layer: where entries come from and outcomes go; not opened yet, and closed by `drain`.
        routing: what to do with them.
        tracing: gives what makes spans, or None for none.
        shards: how many the layer has.

    Raises:
        ConfigError: the settings leave no channel to serve.
    """

    def __init__(
        self,
        settings: WorkerOptions,
        layer: WorkerLayer,
        routing: Routing,
        tracing: OpenTracing = no_tracing,
        shards: int = 1,
    ) -> None:
        self.id = new_worker_id()
        self._settings = settings
        self._layer = layer
        self._code_version = routing.code_version
        self._channels = served_channels(routing, settings)
        self.dispatcher = Dispatcher(self.id, layer, routing, settings, tracing, shards)
        self.dispatcher.metrics.serves = self._channels
        self._watchdog = Watchdog(self.dispatcher, layer, settings.handler_timeout_s)
        self._shards = shards
        self._started = False

    async def start(
        self, admin: str = "", detail: str = "", leased: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        """Takes the lease and begins to read.

        Args:
            admin: ``host:port`` of this process's admin server.
            detail: the routing module, for people.
            leased: awaited between the two, while no handler keeps the loop yet. What it raises ends the start, and the
                lease is given up.

        Raises:
            LayerUnavailable: Redis does not answer.
        """
        info = lease_info(self.id, "worker", admin, detail, self._code_version, self._settings.track)
        await self._layer.open(info, self._channels, self.dispatcher)
        if leased is not None:
            try:
                await leased()
            except BaseException:
                await self._layer.close()
                raise
        self._watchdog.start()
        self.dispatcher.start()
        self._started = True
        log.info("worker serves %s", ", ".join(self._channels))

    def ready(self) -> str | None:
        """None while this worker can handle messages, else why not."""
        if not self._started:
            return "not started"
        away = self.dispatcher.away_from
        if self._shards == 1:
            return "Redis does not answer" if away else None
        return ", ".join(f"shard {shard} does not answer" for shard in sorted(away)) or None

    async def drain(self) -> None:
        """Reads no more, finishes and commits what it holds, gives up the lease; what is not done within ``drain_s``
        goes to other workers."""
        self._started = False
        try:
            async with asyncio.timeout(self._settings.drain_s):
                await self.dispatcher.drain()
        except TimeoutError:
            left = self.dispatcher.busy
            log.warning("drain took over %.0f s, entries left to others=%d", self._settings.drain_s, left)
            await self.dispatcher.cut_off()
        await asyncio.to_thread(self._watchdog.stop)
        await self._layer.close()

    @property
    def at_work(self) -> bool:
        """Whether a handler is still at work. After `drain`: it could not be cancelled, and the process would wait for
        it at its end."""
        return self.dispatcher.at_work
