"""When a process does what it does again and again: at times that all its loops share, so that one wake serves all.

To wake an idle process, whose memory other processes have meanwhile driven out of the caches, costs about 0.1 ms of
CPU, which is more than most of these loops do then. Each process has a phase of its own, so that not all of a machine
wake at once.
"""

from __future__ import annotations

import asyncio
import os
from typing import Final

SPREAD_S: Final = 0.5
"""Phases are spread over so much: the period of the loops that come most often. Beats of longer ones are among
theirs."""
STEP: Final = 0.381966
"""From one process number to the next, in `SPREAD_S`: by the golden section those that follow each other lie apart."""


def behind_s() -> float:
    """By how much this process is behind the clock."""
    return os.getpid() * STEP % 1.0 * SPREAD_S


def pause_s(period_s: float, now_s: float, late_s: float) -> float:
    """How long to wait for the next beat of a period. Pure.

    Args:
        period_s: between two beats.
        now_s: the present.
        late_s: how long behind the clock's zero the first beat was, of every period.

    Returns:
        Half a period at least, so that no beat is met twice by a coarse clock, and one and a half at most.
    """
    left_s = period_s - (now_s - late_s) % period_s
    return left_s if left_s >= period_s / 2 else left_s + period_s


async def beat(period_s: float) -> None:
    """Sleeps until the next beat of a period; see `pause_s`. Cancelling it ends the sleep."""
    await asyncio.sleep(pause_s(period_s, asyncio.get_running_loop().time(), behind_s()))
