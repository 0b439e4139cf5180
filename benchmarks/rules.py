"""Which runs do not count."""

from __future__ import annotations

from typing import Final

from .spec import Kind, Report

MAX_GENERATOR_SHARE: Final = 0.7
"""Part of its core a generator may use. Beyond it waits for itself, and its latencies are its own."""

SATURATED: Final = frozenset({Kind.CLOSED, Kind.FAN_OUT})
"""Kinds of load that offer as much as is taken. Latency is not reported of them, and CPU per message does not depend on
how busy the generator is; so the rule above says nothing about them."""


def faults(report: Report, kind: Kind, latency: bool) -> list[str]:
    """Why a run is void, in words; an empty list if it counts.

    Args:
        report: of the run.
        kind: of its load.
        latency: whether its latencies are reported.
    """
    found = []
    if report.lost:
        found.append(f"{report.lost} connections were lost")
    if report.mismatched:
        found.append(f"{report.mismatched} messages were not the next ones of their connection")
    if report.received != report.expected:
        found.append(f"{report.expected} messages were due, {report.received} arrived")
    if not report.messages and kind is not Kind.IDLE:
        found.append("nothing arrived in the measured time")
    judged = kind not in SATURATED or latency
    if judged and report.generator_share > MAX_GENERATOR_SHARE:
        found.append(
            f"the generator used {report.generator_share:.0%} of its core, more than {MAX_GENERATOR_SHARE:.0%}"
        )
    return found
