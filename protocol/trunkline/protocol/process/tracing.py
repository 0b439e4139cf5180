"""Whether this process traces, and what its metrics say of that. OpenTelemetry is imported only where it does."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..settings import LoopSettings
from .metrics import MetricSet

if TYPE_CHECKING:
    from .spans import Tracing

SYSTEM = "trunkline"
"""``messaging.system`` of our spans."""


class SpanCounters:
    """What becomes of spans. Each number is written by one thread alone: the first by the event loop's, the others by
    the one that exports.

    Args:
        metrics: of the process.
    """

    def __init__(self, metrics: MetricSet) -> None:
        self.ended = metrics.counter("spans", "Spans of sampled messages that ended in this process.")
        self.exported = metrics.counter(
            "spans_exported", "Spans that the collector took, those of handlers too."
        )
        self.failed = metrics.counter(
            "spans_failed", "Spans that the collector did not take, and which are lost."
        )


OpenTracing = Callable[[SpanCounters], "Tracing | None"]
"""Gives a process what makes its spans; it is told who counts them."""


def no_tracing(counters: SpanCounters) -> None:
    """An `OpenTracing` of a process that never traces."""


def open_tracing(settings: LoopSettings, role: str, counters: SpanCounters) -> Tracing | None:
    """Begins to trace, if the settings ask for it.

    Args:
        settings: of the process.
        role: ``interface``, ``worker`` or ``dev``; the service is called ``trunkline-<role>`` unless
            ``OTEL_SERVICE_NAME`` says otherwise.
        counters: count the spans.

    Raises:
        ConfigError: OpenTelemetry is not installed, or cannot be set up with what its variables say.
    """
    if settings.trace_sample is None:
        return None
    try:
        from .spans import Tracing
    except ImportError as error:
        raise ConfigError(
            f"--trace-sample (or TRUNKLINE_TRACE_SAMPLE): tracing needs OpenTelemetry, which is not installed "
            f"({error}); pip install 'trunkline[otel]', or leave the setting out"
        ) from error
    try:
        return Tracing(f"{SYSTEM}-{role}", f"{socket.gethostname()}:{os.getpid()}", counters)
    except Exception as error:  # whatever the SDK makes of a variable it cannot read
        raise ConfigError(
            f"--trace-sample: OpenTelemetry cannot be set up: {error}; look at the variables OTEL_EXPORTER_OTLP_… and "
            "OTEL_BSP_…"
        ) from error
