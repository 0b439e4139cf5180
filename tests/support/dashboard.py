"""A dashboard page with figures of a test's own choice, on a real admin server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from trunkline.protocol.dashboard.broadcast import Broadcast
from trunkline.protocol.dashboard.page import Dashboard
from trunkline.protocol.process.admin import AdminServer
from trunkline.protocol.process.metrics import MetricSet


def a_process(id: str, role: str, **changes: Any) -> dict[str, Any]:
    """A process as the page is told of it."""
    return {
        "id": id, "role": role, "host": "web-1", "pid": 4_100, "answers": True, "error": "", "uptime_s": 8_000.0,
        "busy": 12.0, "room": 64 if role == "worker" else None, "per_s": 120.0, "cpu": 0.4, "memory_bytes": 8e7,
        "lag_s": 0.002, **changes,
    }  # fmt: skip


def a_message(id: str, **changes: Any) -> dict[str, Any]:
    """A sampled message as the page is told of it."""
    return {
        "id": id, "channel": "websocket.receive", "path": "/chat/lobby", "route": "chat.consumers.ws_echo",
        "interface": "i1", "worker": "w1", "attempt": 1, "events": 1, "outcome": "ok",
        "at": "2026-01-31T12:00:00.250Z",
        "ms": {"published": 0.5, "picked_up": 2.0, "handling": 2.2, "handled": 6.0, "committed": 7.0, "written": 8.0},
        **changes,
    }  # fmt: skip


def figures(**changes: Any) -> dict[str, Any]:
    """A small, healthy cluster."""
    return {
        "trouble": "",
        "away": [],
        "totals": {
            "at_s": 1.0, "in_per_s": 240.0, "handled_per_s": 240.0, "out_per_s": 1_000.0, "connections": 24,
            "waiting": 3, "wait_s": 0.002, "failed_per_s": 0.0, "dead_letters": 0,
        },
        "processes": [a_process("i1", "interface"), a_process("w1", "worker")],
        "channels": [
            {"name": "websocket.receive", "waiting": 3, "in_work": 5, "per_s": 240.0, "wait_s": 0.002,
             "mean_wait_s": 0.001, "p99_wait_s": 0.01},
        ],
        "routes": [
            {"name": "chat.consumers.ws_echo", "per_s": 240.0, "mean_s": 0.0014, "p99_s": 0.005, "failed_per_s": 0.0}
        ],
        "findings": [],
        "messages": [a_message("m1")],
        **changes,
    }  # fmt: skip


@dataclass
class Feed:
    """What the page is told.

    Attributes:
        url: of the page.
        facts: of the next look; whoever changes them sees the change after an interval.
        error: what the next look raises instead, if anything.
    """

    url: str = ""
    facts: dict[str, Any] = field(default_factory=figures)
    error: Exception | None = None
    looks: int = 0

    async def look(self) -> dict[str, Any]:
        """One look; each has a time of its own."""
        self.looks += 1
        if self.error is not None:
            raise self.error
        return {**self.facts, "totals": {**self.facts["totals"], "at_s": float(self.looks)}}


@asynccontextmanager
async def fed_dashboard(interval_s: float = 0.25, limit: int = 16) -> AsyncIterator[Feed]:
    """Serves the page."""
    feed = Feed()
    async with AsyncExitStack() as ends:
        metrics = MetricSet()
        dashboard = Dashboard(Broadcast(feed.look, interval_s, limit), metrics, "127.0.0.1")
        admin = AdminServer("127.0.0.1", 0, metrics=metrics, ready=lambda: None, extra=dashboard.routes())
        feed.url = f"http://{await admin.start()}/dashboard"
        ends.push_async_callback(admin.stop)
        ends.push_async_callback(dashboard.close)
        yield feed
