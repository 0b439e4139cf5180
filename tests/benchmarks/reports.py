"""Reports and outcomes for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.findings import Report
from benchmarks.limits import Limit
from benchmarks.outcome import Outcome, Run
from benchmarks.workloads import WORKLOADS

GOOD = Report(
    sent=100,
    expected=100,
    received=100,
    duplicates=0,
    mismatched=0,
    lost=0,
    messages=80,
    window_s=2.0,
    cpu_us={"interface": 800.0, "worker": 400.0, "redis": 400.0},
    generator_share=0.3,
    others_share=0.1,
    p50_us=200.0,
    p99_us=900.0,
    redis_calls=8,
    syscalls=3.0,
)


def report(**changes: Any) -> Report:
    """A report that counts, with changes."""
    return replace(GOOD, **changes)


def run(value: float | None, **changes: Any) -> Run:
    """A run with this figure; None for a void one."""
    return Run(report(**changes), [] if value is not None else ["2 connections were lost"], value)


def outcome(
    mine: Sequence[float | None],
    floors: Sequence[float | None] = (),
    limits: tuple[Limit, ...] = (),
    name: str = "echo",
) -> Outcome:
    """An outcome with these figures."""
    workload = replace(WORKLOADS[name], limits=limits)
    runs = {"trunkline": [run(value) for value in mine]}
    if floors:
        runs["floor"] = [run(value) for value in floors]
    return Outcome(name, workload, 200, runs=runs)
