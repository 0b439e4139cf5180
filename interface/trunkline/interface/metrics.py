"""Every metric of an interface server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from trunkline.protocol.process.metrics import Histogram, Labels, MetricSet
from trunkline.protocol.process.tracing import SpanCounters

from .levels import Levels

_LATENCY_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_HANDSHAKE_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class InterfaceMetrics:
    """Counters for hot code and gauges that are read at a scrape.

    Args:
        metrics: the process's metrics.
        read: gives the levels; called for each gauge of a scrape.
        backlog: as it is set.
    """

    def __init__(self, metrics: MetricSet, read: Callable[[], Levels], backlog: int = 0) -> None:
        self.messages_in = metrics.counter("messages_in", "Messages received from WebSockets.")
        self.messages_out = metrics.counter("messages_out", "Messages sent to WebSockets.")
        self.bytes_in = metrics.counter("bytes_in", "Bytes received from WebSockets.")
        self.bytes_out = metrics.counter("bytes_out", "Bytes sent to WebSockets.")
        self.slow_readers = metrics.counter("slow_readers", "Connections closed because they did not read.")
        self.turned_away = metrics.labelled_counter(
            "turned_away", "Clients refused or closed at a limit, by reason.", ["reason"]
        )
        self.bad_requests = metrics.counter("bad_requests", "Requests that are not HTTP.")
        self.republished = metrics.counter(
            "republished", "Entries published again after the layer lost data."
        )
        self.refusals = metrics.counter("refusals", "Publications refused because their channel was full.")
        self.fenced = metrics.counter("fenced", "Times this interface was declared dead and started over.")
        self.handshakes = metrics.labelled_counter(
            "handshakes", "WebSocket handshakes by outcome.", ["outcome"]
        )
        self.handshake_seconds = metrics.labelled_histogram(
            "handshake_seconds",
            "Seconds from a handshake's request to its answer.",
            _HANDSHAKE_S,
            ["outcome"],
        )
        self.requests = metrics.labelled_counter("http_responses", "HTTP responses by status.", ["status"])
        self.closes = metrics.labelled_counter(
            "closes", "Closed WebSockets by close code.", ["code"], limit=64
        )
        self.drops = metrics.labelled_counter("drops", "What was thrown away, by reason.", ["reason"])
        self.release_seconds: Histogram = metrics.histogram(
            "release_seconds", "Seconds from receiving a message to the release of its entry.", _LATENCY_S
        )
        self.spans = SpanCounters(metrics)
        self.publish_seconds = metrics.histogram(
            "publish_seconds",
            "Seconds of a call to Redis on the publishing connection, at each renewal of the lease.",
            _LATENCY_S,
        )
        self.mailbox_seconds = metrics.histogram(
            "mailbox_seconds",
            "Age of the newest mailbox entry when it arrived, at each renewal of the lease.",
            _LATENCY_S,
        )
        metrics.gauge("connections", "Open WebSockets.", lambda: read().connections)
        metrics.gauge(
            "connections_limit",
            "Connections beyond which clients are refused.",
            lambda: read().connections_limit,
        )
        metrics.gauge(
            "in_flight", "Connections and requests with an unreleased entry.", lambda: read().in_flight
        )
        metrics.gauge("paused_connections", "Connections whose socket is not read.", lambda: read().paused)
        metrics.gauge("outbound_bytes", "Bytes sockets have not taken yet.", lambda: read().outbound_bytes)
        metrics.gauge("mailbox_lag_seconds", "Age of the newest mailbox entry.", lambda: read().mailbox_lag_s)
        metrics.gauge("redis_up", "1 while the channel layer answers.", lambda: read().layer_up)
        metrics.labelled_gauge(
            "shard_up", "1 while a shard answers.", ("shard",), lambda: _by_shard(read().shards_up)
        )
        metrics.labelled_gauge(
            "shard_load",
            "Connections and requests that live on a shard.",
            ("shard",),
            lambda: _by_shard(read().shards_load),
        )
        metrics.gauge("groups", "Groups with members here.", lambda: read().groups)
        metrics.gauge(
            "largest_group", "Members here of the group that has most of them.", lambda: read().largest_group
        )
        metrics.gauge(
            "listen_backlog", "Connections that --backlog lets wait to be accepted.", lambda: backlog
        )
        metrics.gauge(
            "admission_wait_seconds", "Age of the oldest entry no worker was given.", lambda: read().wait_s
        )
        metrics.gauge("queueing", "Connections that wait for their turn to be read.", lambda: read().queueing)
        metrics.gauge("retrying", "Publications that wait for room.", lambda: read().retrying)


def _by_shard(values: Sequence[int]) -> Mapping[Labels, float]:
    return {(str(shard),): float(value) for shard, value in enumerate(values)}
