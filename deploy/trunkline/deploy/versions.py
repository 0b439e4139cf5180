"""How versions of the application's code do that run beside each other, from two looks at their workers' metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from trunkline.protocol.messages import LeaseInfo
from trunkline.protocol.tracks import Share

FAILURES = frozenset(("error", "timeout", "retries"))
"""The outcomes with which a message becomes a dead letter, as `trunkline.worker.tally` names them."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a worker, or several, had done at a time.

    Attributes:
        outcomes: messages by outcome.
        buckets: calls of handlers that took up to so many seconds.
        seconds: that handlers took in all.
    """

    outcomes: Mapping[str, float] = field(default_factory=dict)
    buckets: Mapping[float, float] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def of(cls, exposition: str) -> Figures:
        """Reads Prometheus' text format."""
        outcomes: dict[str, float] = {}
        buckets: dict[float, float] = {}
        seconds = 0.0
        for family in text_string_to_metric_families(exposition):
            for sample in family.samples:
                if sample.name == "trunkline_messages_total":
                    name = sample.labels["outcome"]
                    outcomes[name] = outcomes.get(name, 0.0) + sample.value
                elif sample.name == "trunkline_handler_seconds_bucket":
                    limit = float(sample.labels["le"])
                    buckets[limit] = buckets.get(limit, 0.0) + sample.value
                elif sample.name == "trunkline_handler_seconds_sum":
                    seconds += sample.value
        return cls(outcomes, buckets, seconds)

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            _combined(self.outcomes, other.outcomes, 1),
            _combined(self.buckets, other.buckets, 1),
            self.seconds + other.seconds,
        )

    def since(self, before: Figures) -> Figures:
        """What was done after an earlier look."""
        return Figures(
            _combined(self.outcomes, before.outcomes, -1),
            _combined(self.buckets, before.buckets, -1),
            self.seconds - before.seconds,
        )

    @property
    def messages(self) -> float:
        """All of them."""
        return sum(self.outcomes.values())

    @property
    def failed(self) -> float:
        """Those that became dead letters."""
        return sum(count for name, count in self.outcomes.items() if name in FAILURES)

    def quantile_s(self, part: float) -> float | None:
        """Seconds within which this part of the calls ended: the upper end of its bucket, None without calls."""
        limits = sorted(self.buckets)
        calls = self.buckets[limits[-1]] if limits else 0.0
        if not calls:
            return None
        return next(limit for limit in limits if self.buckets[limit] >= part * calls)


def _combined(first: Mapping[Any, float], second: Mapping[Any, float], sign: int) -> dict[Any, float]:
    return {key: first.get(key, 0.0) + sign * second.get(key, 0.0) for key in first.keys() | second.keys()}


@dataclass(frozen=True, slots=True)
class Version:
    """One version on one track.

    Attributes:
        code: what it is called; empty if nobody knows.
        track: empty for the main one.
        percent: of new connections.
        workers: how many run it.
        silent: how many of them did not answer.
        took_s: between the two looks.
        figures: of all of them in that time.
    """

    code: str
    track: str
    percent: float
    workers: int
    silent: int
    took_s: float
    figures: Figures

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        figures = self.figures
        p99_s = figures.quantile_s(0.99)
        calls = figures.buckets.get(math.inf, 0.0)
        return {
            "code_version": self.code,
            "track": self.track,
            "percent": self.percent,
            "workers": self.workers,
            "silent": self.silent,
            "messages_per_s": round(figures.messages / self.took_s, 2),
            "failed": int(figures.failed),
            "failed_percent": round(100 * figures.failed / figures.messages, 3) if figures.messages else None,
            "mean_ms": round(1000 * figures.seconds / calls, 3) if calls else None,
            "p99_ms": None if p99_s is None or math.isinf(p99_s) else round(1000 * p99_s, 3),
        }


def compare(
    workers: Iterable[LeaseInfo],
    shares: Sequence[Share],
    first: Mapping[str, str],
    second: Mapping[str, str],
    took_s: float,
) -> list[Version]:
    """Each version, those of the main track first.

    Args:
        workers: that live.
        shares: of all tracks.
        first: admin address to its metrics, at the first look.
        second: at the second.
        took_s: between them.
    """
    workers = list(workers)
    served = {worker.track for worker in workers}  # one without workers gets nothing, whatever its share
    percents = {share.name: share.percent for share in shares if share.name in served}
    rest = max(0.0, 100.0 - sum(percents.values()))
    groups: dict[tuple[str, str], list[LeaseInfo]] = {}
    for worker in workers:
        groups.setdefault((worker.track, worker.code), []).append(worker)
    found = []
    for (track, code), members in sorted(groups.items()):
        heard = [worker for worker in members if worker.admin in first and worker.admin in second]
        done = [Figures.of(second[worker.admin]).since(Figures.of(first[worker.admin])) for worker in heard]
        percent = percents.get(track, 0.0) if track else rest
        found.append(
            Version(
                code, track, percent, len(members), len(members) - len(heard), took_s, sum(done, Figures())
            )
        )
    return found


def table(versions: Sequence[Version]) -> list[str]:
    """For people."""
    lines = [
        f"{'CODE':28} {'TRACK':18} {'SHARE':>6} {'WORKERS':>7} {'MESSAGES/S':>10} {'FAILED':>8} {'MEAN':>9} {'P99':>9}"
    ]
    for version in versions:
        told = version.as_json()
        failed = "-" if told["failed_percent"] is None else f"{told['failed_percent']:g}%"
        mean, p99 = (_ms(told[name]) for name in ("mean_ms", "p99_ms"))
        silent = f"  {version.silent} did not answer" if version.silent else ""
        lines.append(
            f"{version.code or 'unknown':28} {version.track or '-':18} {version.percent:>5g}% {version.workers:>7} "
            f"{told['messages_per_s']:>10} {failed:>8} {mean:>9} {p99:>9}{silent}"
        )
    return lines


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:g} ms"
