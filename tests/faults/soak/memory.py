"""Whether memory stays flat: samples of each process over time, and what they say."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import psutil
import redis.exceptions

from tests.faults.soak.fleet import Fleet

EVERY_S = 10.0
WARM_UP_S = 300.0
"""Of a process's life that does not count: caches fill and the allocator finds its size. Half of a soak that is
shorter than twice this."""
LEAST_SAMPLES = 6
PARTS = 6
ALLOWED_BYTES = 3 * 1024 * 1024
ALLOWED_SHARE = 0.08
"""How much a process may grow from the end of its warm-up to the end of the soak and count as flat: the larger of the
two. What a message leaked would show: a soak of 30 minutes handles near a million."""


class Sample(NamedTuple):
    """Memory at a moment.

    Attributes:
        at_s: seconds since the process was first seen.
        size_bytes: its proportional set size (shared pages divided among those who share them), Redis' ``used_memory``.
    """

    at_s: float
    size_bytes: int


class Growth(NamedTuple):
    """What samples say.

    Attributes:
        name: whose.
        samples: how many behind the warm-up.
        median_bytes: of them.
        grown_bytes: by how much a line through them rises over their time.
        flat: that is no more than allowed.
        course_bytes: the medians of equal parts of them, one after the other: a curve that bends tells a cache that
            fills from a leak.
    """

    name: str
    samples: int
    median_bytes: float
    grown_bytes: float
    flat: bool
    course_bytes: Sequence[float]


def growth(name: str, samples: Sequence[Sample], warm_up_s: float) -> Growth | None:
    """Judges a process; None if it is too young.

    The slope is the median of the slopes between all pairs of samples (Theil-Sen), which a few samples taken in the
    middle of a fault do not move.
    """
    late = [sample for sample in samples if sample.at_s >= warm_up_s]
    if len(late) < LEAST_SAMPLES:
        return None
    slope = statistics.median(
        (later.size_bytes - earlier.size_bytes) / (later.at_s - earlier.at_s)
        for place, earlier in enumerate(late)
        for later in late[place + 1 :]
    )
    median_bytes = statistics.median(sample.size_bytes for sample in late)
    grown_bytes = slope * (late[-1].at_s - late[0].at_s)
    flat = grown_bytes <= max(ALLOWED_BYTES, ALLOWED_SHARE * median_bytes)
    part = len(late) / PARTS
    parts = (late[int(number * part) : int((number + 1) * part)] for number in range(PARTS))
    course_bytes = [statistics.median(sample.size_bytes for sample in one) for one in parts]
    return Growth(name, len(late), median_bytes, grown_bytes, flat, course_bytes)


@dataclass(slots=True)
class _Series:
    name: str
    began_s: float
    samples: list[Sample] = field(default_factory=list)


class Sampler:
    """Takes the samples of a soak.

    Args:
        fleet: whose.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._series: dict[int, _Series] = {}  # by pid; 0 is Redis, because its data outlive its process

    async def run(self) -> None:
        """Takes them until it is cancelled."""
        while True:
            self.take(asyncio.get_running_loop().time())
            await asyncio.sleep(EVERY_S)

    def take(self, now_s: float) -> None:
        """Takes one of each."""
        running = {process.pid: process for process in self._fleet.running()}
        for pid in self._series.keys() - running.keys() - {0}:
            del self._series[pid]  # ended before it was old enough to tell anything
        for pid, process in running.items():
            try:
                size_bytes = psutil.Process(pid).memory_full_info().pss
            except psutil.NoSuchProcess:
                continue  # killed a moment ago
            self._add(pid, process.name, now_s, size_bytes)
        try:
            used_bytes = self._fleet.used_memory_bytes()
        except (redis.exceptions.RedisError, OSError):
            return  # it is being struck
        if used_bytes is not None:
            self._add(0, "redis", now_s, used_bytes)

    def _add(self, pid: int, name: str, now_s: float, size_bytes: int) -> None:
        series = self._series.setdefault(pid, _Series(name, now_s))
        series.samples.append(Sample(now_s - series.began_s, size_bytes))

    def growths(self, warm_up_s: float) -> list[Growth]:
        """Of each process that is old enough."""
        judged = (growth(one.name, one.samples, warm_up_s) for one in self._series.values())
        return [one for one in judged if one is not None]
