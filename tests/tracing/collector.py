"""A collector: takes OTLP over HTTP and keeps the spans."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support.waiting import until


@dataclass(frozen=True, slots=True)
class Told:
    """A span as the collector was told of it.

    Attributes:
        name: its name.
        service: who made it.
        pid: process that did.
        trace: id of its trace.
        id: its own.
        parent: id of its parent, empty for the first of a trace.
        kind: number of its kind.
        ms: how long it took.
        start_ns: when it began.
        failed: its status is an error.
        attributes: its.
    """

    name: str
    service: str
    pid: int
    trace: str
    id: str
    parent: str
    kind: int
    ms: float
    start_ns: int
    failed: bool
    attributes: dict[str, Any]


@dataclass(slots=True)
class Collector:
    """What has arrived.

    Attributes:
        url: of the collector.
        spans: all, as they came.
        resources: attributes of those who sent.
    """

    url: str = ""
    spans: list[Told] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        """How a process is told of it."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    def named(self, name: str) -> list[Told]:
        """Spans of this name."""
        return [span for span in self.spans if span.name == name]

    async def has(self, wanted: Callable[[Collector], object], what: str) -> None:
        """Waits until something is there."""
        await until(lambda: wanted(self), 60, what)

    async def answer(self, request: web.Request) -> web.Response:
        """Answers an export."""
        body = await request.read()
        self.take(gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body)
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")

    def take(self, body: bytes) -> None:
        """Takes what one process sent."""
        request = ExportTraceServiceRequest.FromString(body)
        for group in request.resource_spans:
            resource = _attributes(group.resource.attributes)
            self.resources.append(resource)
            for scope in group.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Told(
                            span.name,
                            str(resource["service.name"]),
                            int(str(resource["service.instance.id"]).rpartition(":")[2]),
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            span.kind,
                            (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
                            span.start_time_unix_nano,
                            span.status.code == 2,
                            _attributes(span.attributes),
                        )
                    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a port of its own, in a thread: it outlives the event loops of tests."""
    collector = Collector()
    ready, ended = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/traces", collector.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        collector.url = f"http://{host}:{port}"
        ready.set()
        await ended.wait()
        await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="collector")
    thread.start()
    try:
        assert ready.wait(30)
        yield collector
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
