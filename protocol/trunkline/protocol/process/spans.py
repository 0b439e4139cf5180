"""Spans of OpenTelemetry, and their export. The only module that imports it; see `tracing`, which imports this one.

Spans are exported by OTLP over HTTP, from a thread of the SDK's, to where its own variables say
(https://opentelemetry.io/docs/specs/otel/protocol/exporter/). Nobody waits for a collector: what it does not take in
time is dropped and counted.
"""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import Token
from importlib.metadata import version
from time import perf_counter
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from ..marks import TraceContext
from . import json_logs
from .tracing import SYSTEM, SpanCounters

FLUSH_S = 3.0
"""A process that ends waits so long for the collector to take what is left."""

KINDS = {"producer": SpanKind.PRODUCER, "consumer": SpanKind.CONSUMER, "internal": SpanKind.INTERNAL}

_UNKNOWN = "unknown_service"
"""What the SDK calls a service of which nobody told the name, and then the program's."""


class Span:
    """A span that has begun. Ending it twice is once.

    Args:
        span: the SDK's.
        counters: count it when it ends.
    """

    __slots__ = ("_counters", "_ended", "_span")

    def __init__(self, span: trace.Span, counters: SpanCounters) -> None:
        self._span = span
        self._counters = counters
        self._ended = False

    @property
    def context(self) -> TraceContext:
        """For those who go on with the trace."""
        found = self._span.get_span_context()
        return TraceContext(
            format(found.trace_id, "032x"),
            format(found.span_id, "016x"),
            found.trace_flags.sampled,
            found.trace_state.to_header(),
        )

    def enter(self) -> Token[Context]:
        """Makes it the current one: what `opentelemetry.trace.get_current_span` gives."""
        return contexts.attach(trace.set_span_in_context(self._span))

    def note(self, attributes: Mapping[str, Any]) -> None:
        """Adds attributes."""
        self._span.set_attributes(attributes)

    def fail(self, error: BaseException | str) -> None:
        """Says that it was in vain: an exception, or what else happened in a word."""
        if isinstance(error, BaseException):
            # Not `record_exception`: it takes for granted that an exception has a text.
            kind, text = type(error).__qualname__, _text(error)
            told = {
                "exception.type": kind,
                "exception.message": text,
                "exception.stacktrace": "".join(traceback.format_exception(error)),
            }
            self._span.add_event("exception", told)
            self.note({"error.type": kind})
            self._span.set_status(Status(StatusCode.ERROR, f"{kind}: {text}"))
        else:
            self.note({"error.type": error})
            self._span.set_status(Status(StatusCode.ERROR, error))

    def end(self, moment_s: float | None = None) -> None:
        """Ends it, now or at a moment of `time.perf_counter`."""
        if not self._ended:
            self._ended = True
            self._counters.ended.value += 1
            self._span.end(None if moment_s is None else _unix_ns(moment_s))


def leave(token: Token[Context]) -> None:
    """Undoes `Span.enter`, in the same context."""
    contexts.detach(token)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as worse:  # a class of the user's
        return f"(its text raised {type(worse).__name__})"


def _unix_ns(moment_s: float) -> int:
    """A moment of `time.perf_counter` as nanoseconds of Unix time."""
    return time.time_ns() - int((perf_counter() - moment_s) * 1e9)


class Tracing:
    """Makes spans and has them exported. An application that has set a `TracerProvider` of its own (in its routing
    module, or by ``opentelemetry-instrument``) gets our spans through that one.

    Args:
        service: name of the service, unless ``OTEL_SERVICE_NAME`` or ``OTEL_RESOURCE_ATTRIBUTES`` have one.
        instance: id of this process.
        counters: count the spans.
        exporter: where they go; by default by OTLP to where the SDK's variables say.

    Raises:
        Exception: the SDK cannot make anything of its variables.
    """

    def __init__(
        self, service: str, instance: str, counters: SpanCounters, exporter: SpanExporter | None = None
    ) -> None:
        self._counters = counters
        provider = trace.get_tracer_provider()
        if exporter is not None or not isinstance(provider, TracerProvider):
            # Not at the interpreter's exit, which would wait for a collector that is away: `close` sees to it.
            provider = TracerProvider(
                sampler=ParentBased(root=_OnlyOurs()),
                resource=_resource(service, instance),
                shutdown_on_exit=False,
            )
            provider.add_span_processor(
                BatchSpanProcessor(_Counting(exporter or OTLPSpanExporter(), counters))
            )
            if exporter is None:
                trace.set_tracer_provider(provider)
        self._provider = provider
        self._tracer = provider.get_tracer("trunkline", version("trunkline"))
        json_logs.trace_ids = current_ids

    def begin(
        self,
        name: str,
        kind: str,
        parent: TraceContext | None,
        attributes: Mapping[str, Any],
        moment_s: float | None = None,
    ) -> Span:
        """Begins a span of a message that is sampled.

        Args:
            name: what is done to which channel.
            kind: one of `KINDS`.
            parent: whose child it is, None for the first of a trace.
            attributes: what is known of it.
            moment_s: when it began, by `time.perf_counter`; None for now.
        """
        span = self._tracer.start_span(
            name,
            _context_of(parent),
            KINDS[kind],
            {"messaging.system": SYSTEM, **attributes},
            start_time=None if moment_s is None else _unix_ns(moment_s),
        )
        return Span(span, self._counters)

    async def close(self) -> None:
        """Has exported what is left, for `FLUSH_S` at most. Idempotent; nothing is exported any more then."""
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop has ended: nobody waited so long
                loop.call_soon_threadsafe(done.set)

        # Not asyncio.to_thread: its threads are waited for when the loop ends.
        threading.Thread(target=shut_down, name="trunkline-last-spans", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await done.wait()


def current_ids() -> tuple[str, str] | None:
    """Trace and span id of the span at work, for log lines; None outside of any."""
    found = trace.get_current_span().get_span_context()
    return (format(found.trace_id, "032x"), format(found.span_id, "016x")) if found.is_valid else None


def _context_of(parent: TraceContext | None) -> Context:
    """A context with this span alone: what else is current is not its parent."""
    if parent is None:
        return Context()
    remote = SpanContext(
        int(parent.trace_id, 16),
        int(parent.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT),
        trace_state=TraceState.from_header([parent.state]) if parent.state else None,
    )
    return trace.set_span_in_context(NonRecordingSpan(remote), Context())


def _resource(service: str, instance: str) -> Resource:
    told = Resource.create()
    ours = {SERVICE_NAME: service, SERVICE_INSTANCE_ID: instance, SERVICE_VERSION: version("trunkline")}
    named = not str(told.attributes.get(SERVICE_NAME, _UNKNOWN)).startswith(_UNKNOWN)
    return told.merge(
        Resource({key: value for key, value in ours.items() if not (named and key == SERVICE_NAME)})
    )


class _OnlyOurs(Sampler):
    """Of spans without a parent only ours are recorded: we have decided already, and what an application does outside
    of a sampled message would come with every message that is not."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Sequence[trace.Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        chosen = ALWAYS_ON if attributes and attributes.get("messaging.system") == SYSTEM else ALWAYS_OFF
        return chosen.should_sample(parent_context, trace_id, name, kind, attributes, links)

    def get_description(self) -> str:
        return "trunkline"


class _Counting(SpanExporter):
    """Counts what an exporter does."""

    def __init__(self, exporter: SpanExporter, counters: SpanCounters) -> None:
        self._exporter = exporter
        self._counters = counters

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception:
            self._counters.failed.value += len(spans)
            raise  # the SDK says so in the log
        counter = self._counters.exported if result is SpanExportResult.SUCCESS else self._counters.failed
        counter.value += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
