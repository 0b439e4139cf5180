"""Spans, and what becomes of them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.marks import TraceContext
from trunkline.protocol.process import json_logs, spans
from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.process.spans import Tracing, current_ids, leave
from trunkline.protocol.process.tracing import SpanCounters, no_tracing, open_tracing
from trunkline.protocol.settings import LoopSettings

PARENT = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True, "a=b")


class Exporter(SpanExporter):
    """Keeps spans, refuses them, or never comes back."""

    def __init__(self, result: SpanExportResult | Exception = SpanExportResult.SUCCESS) -> None:
        self.result = result
        self.spans: list[ReadableSpan] = []
        self.hangs: threading.Event | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.hangs is not None:
            self.hangs.wait()
        if isinstance(self.result, Exception):
            raise self.result
        self.spans += spans
        return self.result

    def shutdown(self) -> None:
        """Nothing to end."""


class Traced:
    """A process that traces to an exporter."""

    def __init__(self, exporter: Exporter) -> None:
        self.exporter = exporter
        self.counters = SpanCounters(MetricSet())
        self.tracing = Tracing("trunkline-test", "host:7", self.counters, exporter)

    async def ended(self) -> list[ReadableSpan]:
        """All that was exported, at its end."""
        await self.tracing.close()
        return self.exporter.spans

    def numbers(self) -> tuple[float, float, float]:
        return self.counters.ended.value, self.counters.exported.value, self.counters.failed.value


@pytest.fixture
async def traced(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Traced]:
    monkeypatch.setattr(json_logs, "trace_ids", None)
    made = Traced(Exporter())
    yield made
    await made.tracing.close()


async def test_a_span_is_a_child_of_what_it_was_given_and_of_nothing_else(traced: Traced) -> None:
    first = traced.tracing.begin("a", "producer", PARENT, {"x": 1})
    token = first.enter()
    second = traced.tracing.begin("b", "internal", None, {})
    second.end()
    leave(token)
    first.note({"y": 2})
    first.end()
    first.end()
    b, a = await traced.ended()

    assert a.parent is not None and b.parent is None
    assert (format(a.parent.span_id, "016x"), a.parent.is_remote) == (PARENT.span_id, True)
    assert a.attributes == {"messaging.system": "trunkline", "x": 1, "y": 2}
    assert a.kind is trace.SpanKind.PRODUCER
    assert first.context == PARENT._replace(span_id=first.context.span_id)
    assert first.context.trace_id != second.context.trace_id
    assert traced.numbers() == (2, 2, 0)


async def test_a_span_may_have_begun_and_ended_before(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "perf_counter", lambda: 100.0)
    monkeypatch.setattr(time, "time_ns", lambda: 5_000_000_000)
    traced.tracing.begin("a", "consumer", None, {}, 99.0).end(99.5)
    (a,) = await traced.ended()
    assert (a.start_time, a.end_time) == (4_000_000_000, 4_500_000_000)


async def test_a_failure_is_told_by_its_exception_or_in_a_word(traced: Traced) -> None:
    class Silent(Exception):
        __qualname__ = "Silent"

        def __str__(self) -> str:
            raise RuntimeError

    for error in (ValueError("no"), Silent(), "timeout"):
        span = traced.tracing.begin("a", "internal", None, {})
        span.fail(error)
        span.end()
    told = await traced.ended()
    assert [(span.status.description, (span.attributes or {})["error.type"]) for span in told] == [
        ("ValueError: no", "ValueError"),
        ("Silent: (its text raised RuntimeError)", "Silent"),
        ("timeout", "timeout"),
    ]  # fmt: skip
    assert [len(span.events) for span in told] == [1, 1, 0]


async def test_what_an_application_does_within_is_recorded_and_outside_is_not(traced: Traced) -> None:
    tracer = traced.tracing._provider.get_tracer("an.app")
    tracer.start_span("outside").end()
    assert current_ids() is None
    span = traced.tracing.begin("a", "internal", None, {})
    token = span.enter()
    assert current_ids() == (span.context.trace_id, span.context.span_id)
    assert json_logs.trace_ids is current_ids
    tracer.start_span("within").end()
    leave(token)
    unsampled = traced.tracing.begin("b", "internal", PARENT._replace(sampled=False, state=""), {})
    assert not unsampled.context.sampled
    unsampled.end()
    assert [span.name for span in await traced.ended()] == ["within"]


@pytest.mark.parametrize("result", [SpanExportResult.FAILURE, OSError("away")])
async def test_what_no_collector_takes_is_counted(
    result: SpanExportResult | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    traced = Traced(Exporter(result))
    traced.tracing.begin("a", "internal", None, {}).end()
    await traced.tracing.close()
    assert traced.numbers() == (1, 0, 1)


async def test_an_end_does_not_wait_for_a_collector_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "FLUSH_S", 0.05)
    exporter = Exporter()
    exporter.hangs = threading.Event()
    traced = Traced(exporter)
    traced.tracing.begin("a", "internal", None, {}).end()
    await traced.tracing.close()
    assert traced.numbers() == (1, 0, 0)
    exporter.hangs.set()


@pytest.mark.parametrize(("given", "named"), [("", "trunkline-test"), ("shop", "shop")])
def test_the_service_is_called_as_its_variable_says(
    given: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given:
        monkeypatch.setenv("OTEL_SERVICE_NAME", given)
    resource = spans._resource("trunkline-test", "host:7").attributes
    assert (resource["service.name"], resource["service.instance.id"]) == (named, "host:7")


async def test_the_provider_of_an_application_gets_our_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: theirs)
    tracing = Tracing("trunkline-test", "host:7", SpanCounters(MetricSet()))
    assert tracing._provider is theirs
    await tracing.close()


def test_the_sampler_says_who_it_is() -> None:
    assert spans._OnlyOurs().get_description() == "trunkline"


def settings(**values: Any) -> LoopSettings:
    return LoopSettings.model_validate(values)


def test_without_the_setting_nothing_is_traced_and_nothing_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trunkline.protocol.process.spans", None)
    counters = SpanCounters(MetricSet())
    assert open_tracing(settings(), "worker", counters) is None
    no_tracing(counters)


async def test_with_the_setting_this_process_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[TracerProvider] = []
    monkeypatch.setattr(trace, "set_tracer_provider", made.append)
    monkeypatch.setattr(trace, "get_tracer_provider", trace.ProxyTracerProvider)
    tracing = open_tracing(settings(trace_sample=0.5), "worker", SpanCounters(MetricSet()))
    assert tracing is not None
    assert made[0].resource.attributes["service.name"] == "trunkline-worker"
    await tracing.close()


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trunkline.protocol.process.spans", None)
    with pytest.raises(ConfigError, match=r"pip install 'trunkline\[otel\]'"):
        open_tracing(settings(trace_sample=0), "worker", SpanCounters(MetricSet()))


def test_a_variable_of_the_sdk_that_is_wrong_is_a_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("max_queue_size must be a positive integer.")

    monkeypatch.setattr(spans, "Tracing", refuse)
    with pytest.raises(ConfigError, match="OTEL_BSP_"):
        open_tracing(settings(trace_sample=1), "worker", SpanCounters(MetricSet()))
