"""Which runs do not count."""

from __future__ import annotations

from typing import Final

from .findings import Report
from .peer import role_of
from .spec import Kind

MAX_GENERATOR_SHARE: Final = 0.7
"""Part of its core a generator may use. Beyond it waits for itself, and its latencies are its own."""

SATURATED: Final = frozenset({Kind.CLOSED, Kind.FAN_OUT, Kind.CONNECT, Kind.STORM, Kind.OVERLOAD})
"""Kinds of load that offer as much as is taken. Latency is not reported of them, and CPU per message does not depend on
how busy the generator is; so the rule above says nothing about them."""

LEAST_OFFERED: Final = 0.9
"""Part of the load it should offer that a generator must have offered, for an overload to be one."""

FULL: Final = 0.9
"""Part of what it may use that a Redis must have used to have been the bottleneck."""


def faults(report: Report, kind: Kind, latency: bool, factor: float = 0.0) -> list[str]:
    """Why a run is void, in words; an empty list if it counts.

    Args:
        report: of the run.
        kind: of its load.
        latency: whether its latencies are reported.
        factor: of an overload: the load that should be offered, in capacities.
    """
    found = []
    if report.duplicates:
        found.append(f"{report.duplicates} messages arrived twice")
    if report.mismatched:
        found.append(f"{report.mismatched} messages were not the next ones of their connection")
    if kind is Kind.OVERLOAD:
        found += _not_offered(report, factor)
    else:
        found += _unbalanced(report)
    if not report.messages and kind is not Kind.IDLE:
        found.append("nothing arrived in the measured time")
    judged = kind not in SATURATED or latency
    if judged and report.generator_share > MAX_GENERATOR_SHARE:
        found.append(
            f"the generator used {report.generator_share:.0%} of its core, more than {MAX_GENERATOR_SHARE:.0%}"
        )
    return found


def _unbalanced(report: Report) -> list[str]:
    found = []
    if report.lost:
        found.append(f"{report.lost} connections were lost")
    if report.received != report.expected:
        found.append(f"{report.expected} messages were due for {report.sent} sent, {report.received} arrived")
    return found


def _not_offered(report: Report, factor: float) -> list[str]:
    """An overload leaves messages unanswered and may lose its connections; but it must have been one."""
    wanted = factor * (report.capacity or 0.0) * report.window_s
    if (report.offered or 0) >= LEAST_OFFERED * wanted:
        return []
    return [f"the generator offered {report.offered or 0:,} messages, {wanted:,.0f} were wanted"]


def spared(report: Report, share: float) -> list[str]:
    """Redises that were held to a part of a core and did not use it up: then something else was the bottleneck.

    Args:
        report: of the run.
        share: part of a core that each Redis may use; 0 if they were not held.
    """
    used = {
        name: us / 1e6 / report.window_s for name, us in report.cpu_us.items() if role_of(name) == "redis"
    }
    return [
        f"{name} used {part:.1%} of a core, it was not the bottleneck at {share:.1%}"
        for name, part in used.items()
        if part < FULL * share
    ]
