"""Every metric of a worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from trunkline.protocol.process.desired import Load, LoadMeter
from trunkline.protocol.process.metrics import Labels, MetricSet
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
LOOP, THREADS, ASYNC = "loop", "threads", "async"
"""Kinds of slots: `def` handlers in the event loop, one after the other, or in threads; `async def` handlers."""
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class WorkerMetrics(MetricSet):
    """Counts what a worker does. Hot code adds to plain numbers.

    Args:
        busy: how many entries the worker holds right now.
        answering: of each shard whether it answers.
        slots: kind of slots to how many handlers run in them at the same time.
        kinds: route to the kind of slots that its handlers take.

    Attributes:
        serves: the channels that the worker reads.
        slots: as they were given.
    """

    def __init__(
        self,
        busy: Callable[[], int],
        answering: Callable[[], Sequence[bool]],
        slots: Mapping[str, int] | None = None,
        kinds: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.serves: Collection[str] = ()
        self.slots = dict(slots or {})
        self._kinds = kinds or {}
        self._meter = LoadMeter()
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
        self.gauge("redis_up", "1 while Redis answers, on every shard.", lambda: float(all(answering())))
        self.labelled_gauge(
            "shard_up",
            "1 while a shard answers.",
            ("shard",),
            lambda: {(str(shard),): float(up) for shard, up in enumerate(answering())},
        )
        shown: dict[Labels, float] = {(kind,): float(count) for kind, count in self.slots.items()}
        self.labelled_gauge(
            "worker_slots", "Handlers that run at the same time at most, by kind.", ("kind",), lambda: shown
        )
        self.labelled_counter_elsewhere(
            "worker_slot_seconds",
            "Seconds that slots were taken by a handler, by kind.",
            ("kind",),
            lambda: {(kind,): seconds for kind, seconds in self.slot_seconds().items()},
        )
        self.labelled_gauge(
            "worker_serves",
            "1 for each channel that the worker reads.",
            ("channel",),
            self._serves,
        )

    def slot_seconds(self) -> dict[str, float]:
        """Kind of slots to the seconds for which they were taken by handlers that have ended."""
        seconds: dict[str, float] = {}
        for (route,), taken in self.handler_seconds:
            kind = self._kinds.get(route, LOOP)
            seconds[kind] = seconds.get(kind, 0.0) + taken.sum
        return seconds

    def load(self, at_s: float) -> Load:
        """The worker's load of the last seconds; asked at regular intervals.

        Args:
            at_s: seconds that only rise.
        """
        taken = self.batch_entries.sum
        return self._meter.note(at_s, time.process_time(), taken, self.slot_seconds(), self.slots)

    def _serves(self) -> Mapping[Labels, float]:
        return {(channel,): 1.0 for channel in self.serves}
