"""Routes: how often and how long their handlers run, over all workers. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from .processes import ProcessFacts
from .samples import merged, quantile

FAILED = ("error", "timeout", "retries")
"""Outcomes of a message that became a dead letter because its handler failed."""


@dataclass(frozen=True)
class RouteFacts:
    """One route.

    Attributes:
        route: its name.
        count: calls between the two looks.
        per_s: the same a second.
        mean_s: seconds of a call.
        p99_s: 99 of 100 calls took at most so long; None without calls.
        errors: messages whose handler failed for good.
        errors_ever: the same since the workers' starts.
    """

    route: str
    count: float
    per_s: float
    mean_s: float
    p99_s: float | None
    errors: float
    errors_ever: float

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def routes_of(processes: Iterable[ProcessFacts]) -> list[RouteFacts]:
    """The routes that workers have counted, the slowest first; those without calls last."""
    workers = [process for process in processes if process.role == "worker"]
    names: set[str] = set()
    for worker in workers:
        names |= worker.now.by("trunkline_handler_seconds_count", "route").keys()
    found = [_route(name, workers) for name in names]
    return sorted(found, key=lambda route: (-(route.p99_s or -1.0), -route.mean_s, route.route))


def _route(name: str, workers: list[ProcessFacts]) -> RouteFacts:
    growths = [worker.growth for worker in workers]
    count = sum(growth.of("trunkline_handler_seconds_count", route=name) for growth in growths)
    seconds = sum(growth.of("trunkline_handler_seconds_sum", route=name) for growth in growths)
    buckets = merged(growth.buckets("trunkline_handler_seconds", route=name) for growth in growths)
    per_s = sum(growth.per_s("trunkline_handler_seconds_count", route=name) for growth in growths)
    errors = errors_ever = 0.0
    for outcome in FAILED:
        errors += sum(
            growth.of("trunkline_messages_total", route=name, outcome=outcome) for growth in growths
        )
        errors_ever += sum(
            worker.now.total("trunkline_messages_total", route=name, outcome=outcome) for worker in workers
        )
    mean_s = seconds / count if count else 0.0
    return RouteFacts(name, count, per_s, mean_s, quantile(buckets, 0.99), errors, errors_ever)
