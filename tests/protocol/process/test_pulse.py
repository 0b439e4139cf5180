"""When a process does what it does again and again."""

from __future__ import annotations

import asyncio
import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.protocol.process.pulse import SPREAD_S, beat, behind_s, pause_s

PERIODS_S = (0.1, 0.5, 1.0, 2.0)


@given(
    period_s=st.sampled_from(PERIODS_S),
    now_s=st.floats(0.0, 1e6, allow_nan=False),
    late_s=st.floats(0.0, SPREAD_S, exclude_max=True),
)
def test_a_pause_ends_at_a_beat_half_to_one_and_a_half_periods_away(
    period_s: float, now_s: float, late_s: float
) -> None:
    pause = pause_s(period_s, now_s, late_s)

    beats = (now_s + pause - late_s) / period_s
    assert abs(beats - round(beats)) < 1e-6
    assert period_s / 2 <= pause <= period_s * 1.5


@pytest.mark.parametrize("early_s", [0.0, 0.001])
def test_a_loop_that_wakes_a_moment_early_does_not_meet_its_beat_twice(early_s: float) -> None:
    assert pause_s(0.5, 100.125 - early_s, 0.125) == pytest.approx(0.5 + early_s)


def test_beats_of_long_periods_are_among_those_of_short_ones() -> None:
    ends = {period_s: 1000.0 + pause_s(period_s, 1000.0, 0.375) for period_s in PERIODS_S}

    assert all(((end - 0.375) / 0.5) % 1.0 < 1e-6 for period_s, end in ends.items() if period_s >= 0.5)


def test_processes_that_follow_each_other_have_phases_that_lie_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[float] = []
    for pid in range(4000, 4004):
        monkeypatch.setattr(os, "getpid", lambda pid=pid: pid)
        found.append(behind_s())

    assert all(0.0 <= late_s < SPREAD_S for late_s in found)
    found.sort()
    assert min(later - earlier for earlier, later in pairwise(found)) > SPREAD_S / 8


async def test_a_beat_is_awaited() -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    await beat(0.01)

    assert loop.time() - began_s >= 0.004
