from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.protocol.errors import ConfigError, ControlFlow
from trunkline.worker.error_policy import CLOSE, DEAD, MAX_PAUSE_S, MAX_TIMES, Retry


def test_a_retry_is_tried_three_times_from_a_second_on_unless_it_says_otherwise() -> None:
    assert repr(Retry()) == "Retry(times=3, backoff_s=1, max_backoff_s=60, jitter=0.2)"
    assert repr(Retry(5, 0.5, 10, 0)) == "Retry(times=5, backoff_s=0.5, max_backoff_s=10, jitter=0)"
    assert repr(Retry(after_s=5)) == "Retry(times=3, backoff_s=1, max_backoff_s=60, jitter=0.2, after_s=5)"


def test_a_retry_that_is_raised_says_something_and_is_no_failure() -> None:
    assert issubclass(Retry, ControlFlow)
    assert str(Retry(after_s=5)) == "the handler asked to be called again in 5 s"
    assert str(Retry()) == "the handler asked to be called again"


@pytest.mark.parametrize("times", [0, -1, MAX_TIMES + 1, 1.5, "3", True, None])
def test_a_number_of_retries_that_makes_no_sense_is_refused(times: Any) -> None:
    with pytest.raises(ConfigError, match=r"times=.*expected an int from 1 to 100"):
        Retry(times)


@pytest.mark.parametrize("name", ["backoff_s", "max_backoff_s", "after_s"])
@pytest.mark.parametrize("value", [-1, math.nan, MAX_PAUSE_S + 1, "1", True])
def test_a_wait_that_makes_no_sense_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"{name}=.*seconds from 0 to 3600"):
        Retry(**{name: value})


@pytest.mark.parametrize("jitter", [-0.1, 1.1, math.nan, "0", None])
def test_a_jitter_that_is_no_share_is_refused(jitter: Any) -> None:
    with pytest.raises(ConfigError, match=r"jitter=.*from 0 to 1"):
        Retry(jitter=jitter)


def test_waits_double_up_to_the_longest() -> None:
    retry = Retry(100, 0.5, 3.0)
    assert [retry.pause_s(failed, 0.0) for failed in (1, 2, 3, 4, 100)] == [0.5, 1.0, 2.0, 3.0, 3.0]


@given(
    backoff_s=st.floats(0, MAX_PAUSE_S),
    longest_s=st.floats(0, MAX_PAUSE_S),
    jitter=st.floats(0, 1),
    failed=st.integers(1, MAX_TIMES),
    chance=st.floats(0, 1),
)
def test_jitter_only_shortens_a_wait_and_by_its_share_at_most(
    backoff_s: float, longest_s: float, jitter: float, failed: int, chance: float
) -> None:
    retry = Retry(3, backoff_s, longest_s, jitter)
    whole_s = retry.pause_s(failed, 0.0)
    assert whole_s <= longest_s
    assert whole_s * (1 - jitter) * 0.999 <= retry.pause_s(failed, chance) <= whole_s


def test_a_route_without_a_retry_tries_again_only_if_the_handler_asks() -> None:
    for policy in (DEAD, CLOSE):
        assert policy.next_pause_s(ValueError(), 1, 0.0) is None
        asked = Retry(2, backoff_s=8, after_s=0.5)
        assert [policy.next_pause_s(asked, failed, 0.0) for failed in (1, 2, 3)] == [0.5, 0.5, None]
        assert policy.next_pause_s(Retry(2, backoff_s=8), 1, 0.5) == 8 * 0.9
        assert policy.bound(asked) is asked


def test_the_bound_of_the_route_holds_also_for_a_handler_that_asks() -> None:
    policy = DEAD._replace(retry=Retry(1, backoff_s=2))
    assert [policy.next_pause_s(ValueError(), failed, 0.0) for failed in (1, 2)] == [2.0, None]
    asked = Retry(50, after_s=7)
    assert [policy.next_pause_s(asked, failed, 0.0) for failed in (1, 2)] == [7.0, None]
    assert policy.next_pause_s(Retry(50, backoff_s=30), 1, 0.0) == 2.0
    assert policy.bound(asked) is policy.retry
