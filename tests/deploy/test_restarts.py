"""When a process that died is started again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.deploy.restarts import FIRST_DELAY_S, HOPELESS, MAX_DELAY_S, STEADY_S, Again, Restarts
from trunkline.protocol.exit_codes import ExitCode


def test_the_first_death_is_answered_at_once() -> None:
    assert Restarts().died(0.1, -9) == Again(0.0)


def test_a_process_that_lived_long_is_replaced_at_once_however_often() -> None:
    restarts = Restarts()
    assert [restarts.died(STEADY_S, 1) for _ in range(5)] == [Again(0.0)] * 5


def test_processes_that_die_young_wait_twice_as_long_each_time() -> None:
    restarts = Restarts()
    delays = [restarts.died(0.0, 1).delay_s for _ in range(4)]
    assert delays == [0.0, FIRST_DELAY_S, 2 * FIRST_DELAY_S, 4 * FIRST_DELAY_S]


def test_a_long_life_begins_the_count_anew() -> None:
    restarts = Restarts()
    for _ in range(6):
        restarts.died(0.0, 1)
    restarts.died(STEADY_S, 1)
    assert restarts.died(0.0, 1) == Again(0.0)


@given(st.integers(min_value=1, max_value=500))
def test_the_wait_is_bounded_after_any_number_of_deaths(deaths: int) -> None:
    restarts = Restarts()
    last = [restarts.died(0.0, 1).delay_s for _ in range(deaths)][-1]
    assert last is not None
    assert 0.0 <= last <= MAX_DELAY_S


@pytest.mark.parametrize("code", sorted(HOPELESS))
def test_a_mistake_that_only_a_person_can_mend_is_not_tried_again(code: ExitCode) -> None:
    assert Restarts().died(STEADY_S, code) == Again(None)


@pytest.mark.parametrize(
    ("again", "words"), [(Again(None), "not started"), (Again(0.0), "at once"), (Again(0.5), "in 0.5 s")]
)
def test_the_decision_reads_as_words(again: Again, words: str) -> None:
    assert words in str(again)
