"""Metrics of the whole cluster, as any of its processes can tell them: it asks the layer when it is scraped."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from ..errors import LayerError
from ..layer import OperatorLayer
from ..messages import ClusterStats, ServerStats
from ..settings import LayerSettings
from .desired import Targets
from .metrics import Labels, MetricSet
from .scaling import Scales, decide

log = logging.getLogger(__name__)

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

    Every process tells the same, so sum over channels but never over instances; take `max`.

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
        shards = len(bounds.places)
        self._operator = operator
        self._targets = targets or Targets()
        self._desired: Mapping[str, int] = {}
        self._stats: ClusterStats | None = None
        self._asked_s = 0.0
        channel = ("channel",)
        metrics.labelled_gauge("stream_length", "Entries in a channel's stream.", channel, self._lengths)
        metrics.labelled_gauge(
            "stream_pending", "Entries delivered and not committed.", channel, self._pending
        )
        metrics.labelled_gauge(
            "stream_oldest_seconds", "Age of the oldest entry of a stream.", channel, self._ages
        )
        metrics.gauge(
            "stream_capacity", "Entries a stream may hold, on all shards.", lambda: shards * bounds.capacity
        )
        metrics.gauge("live_interfaces", "Interface servers with a lease.", self._interfaces)
        metrics.gauge("live_workers", "Workers with a lease.", self._workers)
        metrics.labelled_gauge(
            "mailbox_length", "Entries in an interface server's mailbox.", ("interface",), self._mailboxes
        )
        metrics.gauge(
            "mailbox_capacity",
            "Entries a mailbox may hold, on all shards.",
            lambda: shards * bounds.mailbox_capacity,
        )
        metrics.gauge("dead_letters_kept", "Dead letters in the store.", self._dead)
        metrics.counter_elsewhere(
            "dead_letters_trimmed",
            "Dead letters that made room for newer ones, in the whole cluster.",
            self._trimmed,
        )
        metrics.gauge(
            "delayed_length", "Messages that wait for their time, or to be tried again.", self._delayed
        )
        metrics.counter_elsewhere(
            "delayed", "Messages that were made to wait so, in the whole cluster.", self._delayed_ever
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
        metrics.gauge(
            "clock_skew_seconds", "How far this machine's clock is ahead of Redis' clock.", self._skew
        )
        self._declare_servers(metrics)

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
        old figures would hide what is wrong."""
        now_s = time.monotonic()
        if now_s - self._asked_s < FRESH_S:
            return
        self._asked_s = now_s
        try:
            self._stats = await self._operator.stats()
            if isinstance(self._operator, Scales):
                self._desired = await decide(self._operator, self._stats, self._targets)
        except LayerError as error:
            self._stats = None
            self._desired = {}
            log.warning("no cluster metrics: %s", error)

    async def look(self) -> ClusterStats | None:
        """The cluster as it is now, or was a moment ago; None if the layer does not answer within `LOOK_LIMIT_S`."""
        try:
            async with asyncio.timeout(LOOK_LIMIT_S):
                await self.refresh()
        except TimeoutError:
            return None
        return self._stats

    def _lengths(self) -> Mapping[Labels, float]:
        return {(item.channel,): float(item.length) for item in self._stats.channels} if self._stats else {}

    def _pending(self) -> Mapping[Labels, float]:
        return {(item.channel,): float(item.pending) for item in self._stats.channels} if self._stats else {}

    def _ages(self) -> Mapping[Labels, float]:
        return {(item.channel,): item.oldest_s for item in self._stats.channels} if self._stats else {}

    def _interfaces(self) -> float:
        return float(len(self._stats.interfaces)) if self._stats else float("nan")

    def _workers(self) -> float:
        return float(len(self._stats.workers)) if self._stats else float("nan")

    def _skew(self) -> float:
        return self._stats.skew_s if self._stats else float("nan")

    def _of_servers(self, read: Callable[[ServerStats], float]) -> Callable[[], Mapping[Labels, float]]:
        return lambda: (
            {(server.shard,): float(read(server)) for server in self._stats.servers} if self._stats else {}
        )

    def _mailboxes(self) -> Mapping[Labels, float]:
        return (
            {(name,): float(length) for name, length in self._stats.mailbox_lengths.items()}
            if self._stats
            else {}
        )

    def _delayed(self) -> float:
        return float(self._stats.delayed) if self._stats else float("nan")

    def _delayed_ever(self) -> float | None:
        return float(self._stats.delayed_ever) if self._stats else None

    def _trimmed(self) -> float | None:
        return float(self._stats.dead_trimmed) if self._stats else None

    def _dead(self) -> float:
        return float(self._stats.dead_letters) if self._stats else float("nan")
