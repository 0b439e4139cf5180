"""How long others wait while somebody means no good, against how long they wait without: in windows that take turns.

A window alone says little on a machine that does other things: its p99 is the sixth longest of 600 waits. So windows
without and with the abuse follow each other, several times, and the medians of the two kinds are compared: what
disturbs the machine for a while disturbs both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from tests.support.load import Load

REPLIES = 600
"""In a window: its p99 is the sixth longest wait."""


class Window(NamedTuple):
    """Milliseconds from a message to its reply.

    Attributes:
        p50_ms: the median.
        p99_ms: the 99th percentile.
    """

    p50_ms: float
    p99_ms: float


async def measure(load: Load) -> Window:
    """The next window of a load that goes on."""
    since_s = asyncio.get_running_loop().time()
    await load.goes_on(REPLIES, within_s=60)
    waits_s = load.seconds(since_s=since_s)
    return Window(waits_s[len(waits_s) // 2] * 1000, waits_s[int(len(waits_s) * 0.99)] * 1000)


class Comparison(NamedTuple):
    """Windows without and with the abuse, by turns.

    Attributes:
        before: those without.
        during: those with it.
    """

    before: Sequence[Window]
    during: Sequence[Window]

    @property
    def ratio(self) -> float:
        """How many times the p99 is what it is without: of the median windows."""
        return _typical(self.during).p99_ms / _typical(self.before).p99_ms

    def cells(self) -> tuple[str, ...]:
        """For the table: p50 and p99 before and during, the ratio, and how many rounds it was."""
        before, during = _typical(self.before), _typical(self.during)
        waits = (before.p50_ms, during.p50_ms, before.p99_ms, during.p99_ms)
        return (*(f"{wait_ms:.1f}" for wait_ms in waits), f"{self.ratio:.2f}", str(len(self.before)))


def _typical(windows: Sequence[Window]) -> Window:
    return Window(median(window.p50_ms for window in windows), median(window.p99_ms for window in windows))
