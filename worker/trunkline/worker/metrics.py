"""Every metric of a worker."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.process.tracing import SpanCounters

SECONDS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class WorkerMetrics(MetricSet):
    """Counts what a worker does. Hot code adds to plain numbers.

    Args:
        busy: how many entries the worker holds right now.
        redis_up: whether the layer answers.
    """

    def __init__(self, busy: Callable[[], int], redis_up: Callable[[], bool]) -> None:
        super().__init__()
        self.messages = self.labelled_counter(
            "messages", "Messages handled, by channel, route and outcome.", ("channel", "route", "outcome")
        )
        self.handler_seconds = self.labelled_histogram(
            "handler_seconds", "Seconds a handler took.", SECONDS, ("route",)
        )
        self.queue_wait_seconds = self.labelled_histogram(
            "queue_wait_seconds",
            "Seconds an entry stood in its stream before a worker took it.",
            SECONDS,
            ("channel",),
        )
        self.batch_entries = self.histogram("batch_entries", "Entries in one delivery.", SIZES)
        self.commit_entries = self.histogram("commit_entries", "Entries in one commit.", SIZES)
        self.commit_seconds = self.histogram(
            "commit_seconds", "Seconds from a commit to its answer.", SECONDS
        )
        self.redeliveries = self.labelled_counter(
            "redeliveries", "Entries taken over from a worker that died or vanished.", ("channel",)
        )
        self.retries = self.labelled_counter(
            "retries",
            "Calls of handlers that failed and may be repeated, and how that ends.",
            ("route", "outcome"),
        )
        self.effects_dropped = self.counter(
            "effects_dropped", "Entries whose effects were dropped because another worker had committed them."
        )
        self.given_back = self.counter(
            "given_back",
            "Entries handed back because a handler before them took long, or a drain did not wait.",
        )
        self.watchdog_failures = self.counter(
            "watchdog_failures", "Errors in the thread that watches for stuck handlers; it goes on."
        )
        self.dead_letters = self.labelled_counter(
            "dead_letters", "Messages that became dead letters.", ("reason",)
        )
        self.sessions_read = self.counter("sessions_read", "Channel sessions read.")
        self.sessions_written = self.counter("sessions_written", "Channel sessions written or deleted.")
        self.spans = SpanCounters(self)
        self.gauge("worker_busy_entries", "Entries the worker holds.", lambda: float(busy()))
        self.gauge("redis_up", "1 while Redis answers.", lambda: 1.0 if redis_up() else 0.0)
