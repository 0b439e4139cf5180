"""Reports for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.spec import Report

GOOD = Report(
    expected=100,
    received=100,
    mismatched=0,
    lost=0,
    messages=80,
    window_s=2.0,
    cpu_us={"interface": 800.0, "worker": 400.0, "redis": 400.0},
    pss_bytes={},
    generator_share=0.3,
    others_share=0.1,
    p50_us=200.0,
    p99_us=900.0,
)


def report(**changes: Any) -> Report:
    """A report that counts, with changes."""
    return replace(GOOD, **changes)
