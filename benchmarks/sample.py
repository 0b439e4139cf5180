"""All counters at one instant, and what lies between two."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .figures import percentile
from .findings import Report
from .meters import core_busy_s, cpu_ns
from .redis_calls import RedisCalls, calls
from .spec import Target
from .tally import Tally


@dataclass(frozen=True, slots=True)
class Sample:
    """All counters at one instant."""

    at_ns: int
    messages: int
    cpu_ns: dict[str, int]
    generator_ns: int
    core_busy_s: float | None
    redis_calls: int | None


class Sampler:
    """Takes samples of one system.

    Args:
        target: the system.

    Raises:
        OSError: its Redis does not answer.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._redis = RedisCalls(target.redis) if target.redis else None

    def take(self, messages: int) -> Sample:
        """Reads all counters.

        Args:
            messages: how many have come so far.
        """
        target = self._target
        counted = None if self._redis is None else calls(self._redis.info(), target.scripted or ())
        return Sample(
            time.monotonic_ns(),
            messages,
            {role: cpu_ns(pid) for role, pid in target.pids.items()},
            time.process_time_ns(),
            None if target.core is None else core_busy_s(target.core),
            counted,
        )


def between(first: Sample, last: Sample) -> dict[str, Any]:
    """The fields of a `Report` that two samples give."""
    window_s = (last.at_ns - first.at_ns) / 1e9
    cpu_us = {role: (now - first.cpu_ns[role]) / 1e3 for role, now in last.cpu_ns.items()}
    others_share = None
    if first.core_busy_s is not None and last.core_busy_s is not None:
        busy_s = last.core_busy_s - first.core_busy_s
        others_share = max(0.0, (busy_s - sum(cpu_us.values()) / 1e6) / window_s)
    called = None
    if first.redis_calls is not None and last.redis_calls is not None:
        called = last.redis_calls - first.redis_calls
    return {
        "messages": last.messages - first.messages,
        "window_s": window_s,
        "cpu_us": cpu_us,
        "generator_share": (last.generator_ns - first.generator_ns) / 1e9 / window_s,
        "others_share": others_share,
        "redis_calls": called,
    }


def summarize(
    first: Sample, last: Sample, tally: Tally, latencies_ns: Sequence[int] = (), **further: Any
) -> Report:
    """The report of what lies between two samples.

    Args:
        first: at the begin of the measured time.
        last: at its end.
        tally: of the whole run.
        latencies_ns: of the measured time, ascending.
        further: fields of the report that only this kind of load has.
    """
    return Report(
        sent=tally.sent,
        expected=tally.expected,
        received=tally.received,
        duplicates=tally.duplicates,
        mismatched=tally.mismatched,
        lost=tally.lost,
        p50_us=percentile(latencies_ns, 0.5) / 1e3 if latencies_ns else None,
        p99_us=percentile(latencies_ns, 0.99) / 1e3 if latencies_ns else None,
        **between(first, last),
        **further,
    )
