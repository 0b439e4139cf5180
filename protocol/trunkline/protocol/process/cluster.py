"""Metrics of the whole cluster, as any of its processes can tell them: it asks the layer when it is scraped."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping

from ..errors import LayerError
from ..layer import OperatorLayer
from ..messages import ChannelStats, ClusterStats, ServerStats
from ..settings import LayerSettings
from ..sharding.asking import said
from .desired import Targets
from .logs import RateLimited
from .metrics import Labels, MetricSet
from .scaling import Scales, decide

log = logging.getLogger(__name__)
_warnings = RateLimited(log, per_s=0.1)

FRESH_S = 1.0
"""Two scrapes within this time share one look at the layer."""

LOOK_LIMIT_S = 2.0
"""Whoever asks `ClusterMetrics.look` waits no longer: Prometheus gives up soon, too."""

_OF_SERVERS: tuple[tuple[str, str, Callable[[ServerStats], float]], ...] = (
    ("redis_memory_bytes", "Memory that Redis uses.", lambda server: server.memory_bytes),
    ("redis_memory_limit_bytes", "Redis' maxmemory, 0 for none.", lambda server: server.memory_limit_bytes),
    ("redis_clients", "Connections to Redis.", lambda server: server.clients),
    ("redis_append_failing", "1 if Redis cannot append to its file.", lambda server: server.append_failing),
)


class ClusterMetrics:
    """Gauges of the cluster in a process's metrics.

    Every process tells the same, so sum over channels and shards but never over instances; take `max`.

    Args:
        metrics: where they are declared.
        operator: whom to ask.
        targets: what the cluster's processes shall be like.
        settings: bounds, for gauges beside those of what they bound; None for the defaults.
    """

    def __init__(
        self,
        metrics: MetricSet,
        operator: OperatorLayer,
        targets: Targets | None = None,
        settings: LayerSettings | None = None,
    ) -> None:
        bounds = settings or LayerSettings.model_validate({})
        self._operator = operator
        self._targets = targets or Targets()
        self._desired: Mapping[str, int] = {}
        self._stats: ClusterStats | None = None
        self._asked_s = 0.0
        self._asking: asyncio.Task[None] | None = None
        self._declare_streams(metrics, bounds)
        self._declare_rest(metrics)
        metrics.gauge("live_interfaces", "Interface servers with a lease.", self._interfaces)
        metrics.gauge("live_workers", "Workers with a lease.", self._workers)
        metrics.labelled_gauge(
            "shard_interfaces",
            "Interface servers with a lease on a shard.",
            ("shard",),
            self._of_shards(lambda one: len(one.interfaces)),
        )
        metrics.labelled_gauge(
            "shard_workers",
            "Workers with a lease on a shard.",
            ("shard",),
            self._of_shards(lambda one: len(one.workers)),
        )
        metrics.gauge(
            "desired_workers",
            "Workers that the cluster should have, for an autoscaler.",
            lambda: self._desired.get("worker"),
        )
        metrics.gauge(
            "desired_interfaces",
            "Interface servers that the cluster should have, for an autoscaler.",
            lambda: self._desired.get("interface"),
        )
        self._declare_servers(metrics)

    def _declare_streams(self, metrics: MetricSet, bounds: LayerSettings) -> None:
        channel = ("channel", "shard")
        metrics.labelled_gauge(
            "stream_length",
            "Entries in a channel's stream, on each shard.",
            channel,
            self._of_channels(lambda item: item.length),
        )
        metrics.labelled_gauge(
            "stream_pending",
            "Entries delivered and not committed, on each shard.",
            channel,
            self._of_channels(lambda item: item.pending),
        )
        metrics.labelled_gauge(
            "stream_oldest_seconds",
            "Age of the oldest entry of a stream, on each shard.",
            channel,
            self._of_channels(lambda item: item.oldest_s),
        )
        metrics.gauge(
            "stream_capacity", "Entries a stream may hold on each shard.", lambda: float(bounds.capacity)
        )
        metrics.labelled_gauge(
            "mailbox_length",
            "Entries in an interface server's mailbox, on each shard.",
            ("interface", "shard"),
            self._mailboxes,
        )
        metrics.gauge(
            "mailbox_capacity",
            "Entries a mailbox may hold on each shard.",
            lambda: float(bounds.mailbox_capacity),
        )

    def _declare_rest(self, metrics: MetricSet) -> None:
        shard = ("shard",)
        metrics.labelled_gauge(
            "dead_letters_kept",
            "Dead letters in the store of each shard.",
            shard,
            self._of_shards(lambda one: one.dead_letters),
        )
        metrics.labelled_counter_elsewhere(
            "dead_letters_trimmed",
            "Dead letters that made room for newer ones on each shard, in the whole cluster.",
            shard,
            self._of_shards(lambda one: one.dead_trimmed),
        )
        metrics.labelled_gauge(
            "delayed_length",
            "Messages that wait for their time, or to be tried again, on each shard.",
            shard,
            self._of_shards(lambda one: one.delayed),
        )
        metrics.labelled_counter_elsewhere(
            "delayed",
            "Messages that were made to wait so on each shard, in the whole cluster.",
            shard,
            self._of_shards(lambda one: one.delayed_ever),
        )
        metrics.labelled_gauge(
            "clock_skew_seconds",
            "How far this machine's clock is ahead of that of a shard's Redis.",
            shard,
            self._of_shards(lambda one: one.skew_s),
        )

    def _declare_servers(self, metrics: MetricSet) -> None:
        shard = ("shard",)
        for name, help, read in _OF_SERVERS:
            metrics.labelled_gauge(name, help, shard, self._of_servers(read))
        metrics.labelled_counter_elsewhere(
            "redis_cpu_seconds",
            "CPU seconds that Redis has used.",
            shard,
            self._of_servers(lambda server: server.cpu_s),
        )
        metrics.labelled_counter_elsewhere(
            "redis_commands",
            "Calls that Redis has processed.",
            shard,
            self._of_servers(lambda server: server.commands),
        )

    async def refresh(self) -> None:
        """Asks the layer, unless it was asked a moment ago. While it does not answer, no cluster metric is shown:
        old figures would hide what is wrong.

        Cancelled, it leaves the question under way for who comes next. Were it broken off, so were the connections it
        makes, and where handlers hold the event loop and several shards are asked, no question would ever have the
        time that it takes.
        """
        now_s = time.monotonic()
        if self._asking is None or self._asking.done():
            if now_s - self._asked_s < FRESH_S:
                return
            self._asked_s = now_s
            self._asking = asyncio.create_task(self._ask())
        await asyncio.shield(self._asking)

    async def _ask(self) -> None:
        try:
            self._stats = await self._operator.stats()
            if isinstance(self._operator, Scales):
                self._desired = await decide(self._operator, self._stats, self._targets)
        except LayerError as error:
            self._stats = None
            self._desired = {}
            log.warning("no cluster metrics: %s", error)
        else:
            if self._stats.away:
                _warnings.warning("away", "no cluster metrics of %s", said(self._stats.away))

    async def look(self) -> ClusterStats | None:
        """The cluster as it is now, or was a moment ago; None if the layer does not answer within `LOOK_LIMIT_S`."""
        try:
            async with asyncio.timeout(LOOK_LIMIT_S):
                await self.refresh()
        except TimeoutError:
            return None
        return self._stats

    def _shards(self) -> Iterable[tuple[int, ClusterStats]]:
        """Those that answered. Nothing is told of the others: old figures would hide what is wrong, and a sum that
        falls would be taken for one that began again."""
        return self._stats.by_shard.items() if self._stats else ()

    def _of_shards(self, read: Callable[[ClusterStats], float]) -> Callable[[], Mapping[Labels, float]]:
        return lambda: {(str(shard),): float(read(one)) for shard, one in self._shards()}

    def _of_channels(self, read: Callable[[ChannelStats], float]) -> Callable[[], Mapping[Labels, float]]:
        return lambda: {
            (item.channel, str(shard)): float(read(item))
            for shard, one in self._shards()
            for item in one.channels
        }

    def _mailboxes(self) -> Mapping[Labels, float]:
        return {
            (name, str(shard)): float(length)
            for shard, one in self._shards()
            for name, length in one.mailbox_lengths.items()
        }

    def _interfaces(self) -> float:
        return float(len(self._stats.interfaces)) if self._stats else float("nan")

    def _workers(self) -> float:
        return float(len(self._stats.workers)) if self._stats else float("nan")

    def _of_servers(self, read: Callable[[ServerStats], float]) -> Callable[[], Mapping[Labels, float]]:
        return lambda: (
            {(server.shard,): float(read(server)) for server in self._stats.servers} if self._stats else {}
        )
