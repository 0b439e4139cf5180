"""When a batch of publications leaves."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.interface.linger import ENOUGH, FASTEST, MAX_REST, MIN_REST, TRIES, Linger

LIMIT_S = 0.001


def paced(linger: Linger, gap_s: float, gathers: bool, batches: int = 200) -> list[float]:
    """How long each batch waited while a publication came every ``gap_s``, and others within a wait or not."""
    now_s, waits = 0.0, list[float]()
    for _ in range(batches):
        now_s += gap_s
        waits.append(linger.begin(1))
        now_s += waits[-1]
        linger.leave(now_s, 1 + int(waits[-1] / gap_s) * gathers)
    return waits


def test_what_comes_slowly_leaves_at_once() -> None:
    assert not any(paced(Linger(LIMIT_S), 0.005, gathers=True))


def test_what_comes_quickly_gathers() -> None:
    waits = paced(Linger(LIMIT_S), 0.0002, gathers=True)

    assert not any(waits[:5])  # one moment of haste is no pace
    assert all(wait_s == LIMIT_S for wait_s in waits[100:])


def test_a_client_that_waits_for_its_answers_hardly_notices_that_waiting_is_tried() -> None:
    waits = paced(Linger(LIMIT_S), 0.0003, gathers=False, batches=20_000)

    tried = [number for number, wait_s in enumerate(waits) if wait_s]
    pauses = [after - before for before, after in pairwise(tried)][TRIES - 1 :]
    # What was waited slows the pace for a moment, too.
    for times, pause in enumerate(pauses[:4]):
        assert MIN_REST * 2**times < pause < MIN_REST * 2**times + MIN_REST
    assert MAX_REST < max(pauses) < MAX_REST + MIN_REST


def test_waiting_that_pays_again_is_tried_soon_when_it_fails_next() -> None:
    linger = Linger(LIMIT_S)
    paced(linger, 0.0003, gathers=False, batches=2_000)
    paced(linger, 0.0003, gathers=True, batches=MAX_REST)

    waits = paced(linger, 0.0003, gathers=False, batches=100)

    tried = [number for number, wait_s in enumerate(waits) if wait_s]
    assert tried[: TRIES - 1] == list(range(TRIES - 1))
    assert MIN_REST < tried[TRIES] - tried[TRIES - 1] < 2 * MIN_REST


def test_many_of_one_tick_leave_at_once() -> None:
    linger = Linger(LIMIT_S)
    paced(linger, 0.0002, gathers=True)

    assert linger.begin(ENOUGH - 1) == LIMIT_S
    linger.leave(1.0, 20)
    assert linger.begin(ENOUGH) == 0


@pytest.mark.parametrize(("gap_s", "due"), [(LIMIT_S / 2, 3), (LIMIT_S / 5, 6)])
def test_a_batch_that_waits_is_whole_with_what_comes_in_the_time_of_waiting(gap_s: float, due: int) -> None:
    linger = Linger(LIMIT_S)
    paced(linger, gap_s, gathers=True, batches=1000)

    assert linger.begin(1) == LIMIT_S

    assert linger.due == due


def test_with_more_in_the_tick_more_are_due() -> None:
    linger = Linger(LIMIT_S)
    paced(linger, LIMIT_S / 2, gathers=True, batches=1000)

    assert linger.begin(4) == LIMIT_S

    assert linger.due == 6


def test_a_clock_that_stands_still_is_a_pace_too() -> None:
    linger = Linger(LIMIT_S)
    for _ in range(100_000):
        linger.leave(1.0, 1)

    assert linger.begin(1) == LIMIT_S
    assert linger.due == 1 + 1 / FASTEST


@pytest.mark.parametrize("gap_s", [0.0001, 0.01])
def test_without_a_limit_nothing_waits(gap_s: float) -> None:
    assert not any(paced(Linger(0), gap_s, gathers=True))


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, 600)), max_size=300))
def test_no_batch_ever_waits_longer_than_the_limit(steps: list[tuple[float, int]]) -> None:
    linger, now_s = Linger(LIMIT_S), 0.0
    for gap_s, count in steps:
        now_s += gap_s
        assert 0 <= linger.begin(count) <= LIMIT_S
        linger.leave(now_s, count)
