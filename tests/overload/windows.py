"""How long others wait, measured in windows of equal size, so that one hiccup of a busy machine is one window's."""

from __future__ import annotations

import asyncio
from statistics import median
from typing import NamedTuple

from tests.support.load import Load

REPLIES = 600
"""In a window: its p99 is the sixth longest wait."""
WINDOWS = 5


class Waits(NamedTuple):
    """Milliseconds from a message to its reply, over several windows.

    Attributes:
        p50_ms: the median window's median.
        p99_ms: the median window's 99th percentile.
        worst_ms: the longest of all.
    """

    p50_ms: float
    p99_ms: float
    worst_ms: float

    def __str__(self) -> str:
        return f"p50={self.p50_ms:.1f} p99={self.p99_ms:.1f} worst={self.worst_ms:.1f} ms"


async def measure(load: Load, windows: int = WINDOWS) -> Waits:
    """Looks at the waits of a load that goes on."""
    clock = asyncio.get_running_loop().time
    p50: list[float] = []
    p99: list[float] = []
    worst_s = 0.0
    for _ in range(windows):
        since_s = clock()
        await load.goes_on(REPLIES, within_s=60)
        waits_s = load.seconds(since_s=since_s)
        p50.append(waits_s[len(waits_s) // 2])
        p99.append(waits_s[int(len(waits_s) * 0.99)])
        worst_s = max(worst_s, waits_s[-1])
    return Waits(median(p50) * 1000, median(p99) * 1000, worst_s * 1000)
