"""Metrics of the whole cluster, as any of its processes can tell them: it asks the layer when it is scraped."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from ..errors import LayerError
from ..layer import OperatorLayer
from ..messages import ClusterStats
from .desired import Targets
from .metrics import Labels, MetricSet
from .scaling import Scales, decide

log = logging.getLogger(__name__)

FRESH_S = 1.0
"""Two scrapes within this time share one look at the layer."""


class ClusterMetrics:
    """Gauges of the cluster in a process's metrics.

    Every process tells the same, so sum over channels but never over instances; take `max`.

    Args:
        metrics: where they are declared.
        operator: whom to ask.
        targets: what the cluster's processes shall be like.
    """

    def __init__(self, metrics: MetricSet, operator: OperatorLayer, targets: Targets | None = None) -> None:
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
        metrics.labelled_gauge("live_processes", "Processes with a lease.", ("role",), self._live)
        metrics.labelled_gauge(
            "mailbox_length", "Entries in an interface server's mailbox.", ("interface",), self._mailboxes
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

    def _lengths(self) -> Mapping[Labels, float]:
        return {(item.channel,): float(item.length) for item in self._stats.channels} if self._stats else {}

    def _pending(self) -> Mapping[Labels, float]:
        return {(item.channel,): float(item.pending) for item in self._stats.channels} if self._stats else {}

    def _ages(self) -> Mapping[Labels, float]:
        return {(item.channel,): item.oldest_s for item in self._stats.channels} if self._stats else {}

    def _live(self) -> Mapping[Labels, float]:
        if self._stats is None:
            return {}
        return {
            ("interface",): float(len(self._stats.interfaces)),
            ("worker",): float(len(self._stats.workers)),
        }

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
