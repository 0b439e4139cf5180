"""Token buckets."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from trunkline.interface.rate import FULL, NONE_LEFT, Rate


def taken(rate: Rate, moments_s: list[float]) -> list[bool]:
    """Which of these attempts get a token."""
    bucket = FULL
    got: list[bool] = []
    for now_s in moments_s:
        after = rate.take(bucket, now_s)
        got.append(after != NONE_LEFT)
        if after != NONE_LEFT:
            bucket = after
    return got


def test_a_full_bucket_gives_its_burst_and_no_more() -> None:
    assert taken(Rate(10.0, 3), [100.0] * 5) == [True, True, True, False, False]


def test_tokens_flow_back_one_by_one() -> None:
    got = taken(Rate(10.0, 2), [100.0, 100.0, 100.0, 100.101, 100.101])
    assert got == [True, True, False, True, False]


def test_a_refused_attempt_costs_nothing() -> None:
    attempts = [100.0, *(100.0 + number / 1000 for number in range(100)), 100.11]
    assert taken(Rate(10.0, 1), attempts)[-1]


def test_several_tokens_are_taken_at_once_or_none() -> None:
    rate = Rate(10.0, 4)
    bucket = rate.take(FULL, 100.0, 3)

    assert rate.take(bucket, 100.0, 2) == NONE_LEFT
    assert rate.take(bucket, 100.0, 1) != NONE_LEFT
    assert rate.take(bucket, 100.11, 2) != NONE_LEFT


def test_from_a_full_bucket_more_than_it_holds_may_be_taken_and_is_paid_for_later() -> None:
    rate = Rate(10.0, 2)
    bucket = rate.take(FULL, 100.0, 10)

    assert rate.take(bucket, 100.85) == NONE_LEFT
    assert rate.take(bucket, 100.95) != NONE_LEFT


@given(
    st.floats(0.5, 1000.0),
    st.integers(1, 50),
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=200),
)
def test_in_no_span_of_time_is_more_given_than_the_burst_and_what_flowed(
    per_s: float, burst: int, gaps_s: list[float]
) -> None:
    moments_s = list(itertools.accumulate(gaps_s, initial=1000.0))
    got = [
        now_s for now_s, taken_ in zip(moments_s, taken(Rate(per_s, burst), moments_s), strict=True) if taken_
    ]

    for first in range(len(got)):
        for last in range(first, len(got)):
            assert last - first + 1 <= burst + per_s * (got[last] - got[first]) + 1e-6
