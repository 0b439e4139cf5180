"""The history checker finds what it is there for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.history import SHOWN, Fault, History, check, faults

ONE_TO_FIVE = ["1", "2", "3", "4", "5"]


def found(heard: list[str], *, ended: bool = False) -> list[Fault]:
    return faults({"c": History(ONE_TO_FIVE, heard, ended)})


def test_a_whole_history_has_no_fault() -> None:
    assert found(ONE_TO_FIVE) == []


def test_a_reply_that_never_came_is_lost() -> None:
    assert found(["1", "2", "4", "5"]) == [Fault("lost", "c", "3", 2)]


def test_a_last_reply_that_never_came_is_lost() -> None:
    assert found(["1", "2", "3", "4"]) == [Fault("lost", "c", "5", 4)]


def test_a_reply_that_came_again_is_doubled() -> None:
    assert found(["1", "2", "2", "3", "4", "5"]) == [Fault("doubled", "c", "2", 2)]


def test_a_reply_that_came_again_much_later_is_doubled_and_not_reordered() -> None:
    assert found([*ONE_TO_FIVE, "1"]) == [Fault("doubled", "c", "1", 5)]


def test_a_reply_behind_a_later_one_is_reordered() -> None:
    assert found(["1", "3", "2", "4", "5"]) == [Fault("reordered", "c", "2", 2)]


def test_a_reply_nobody_asked_for_is_invented() -> None:
    assert found(["1", "2", "3", "what", "4", "5"]) == [Fault("invented", "c", "what", 3)]


def test_a_connection_that_was_cut_off_may_miss_the_end() -> None:
    assert found(["1", "2"], ended=True) == []
    assert found([], ended=True) == []


def test_a_connection_that_was_cut_off_may_not_miss_the_middle() -> None:
    assert found(["1", "4"], ended=True) == [Fault("lost", "c", "2", 1), Fault("lost", "c", "3", 2)]


def test_faults_are_told_by_connection() -> None:
    histories = {"a": History(["1"], ["1"]), "b": History(["1"], []), "c": History(["1"], ["1", "1"])}

    assert faults(histories) == [Fault("lost", "b", "1", 0), Fault("doubled", "c", "1", 1)]


def test_expectations_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="number the messages"):
        faults({"c": History(["1", "1"], [])})


def test_the_check_passes_a_whole_history() -> None:
    check({"c": History(ONE_TO_FIVE, ONE_TO_FIVE)})


def test_the_check_counts_the_faults_and_shows_the_first() -> None:
    expected = [str(number) for number in range(100)]

    with pytest.raises(AssertionError, match=r"doubled=1, lost=99\n  c: '0' doubled \(at 1\)") as raised:
        check({"c": History(expected, ["0", "0"])})

    assert str(raised.value).endswith(f"and {100 - SHOWN} more")


@given(st.permutations(ONE_TO_FIVE))
def test_every_other_order_is_a_fault(order: list[str]) -> None:
    assert (found(order) == []) == (order == ONE_TO_FIVE)


@given(st.lists(st.sampled_from([*ONE_TO_FIVE, "other"]), max_size=8))
def test_only_the_expected_list_is_without_fault(heard: list[str]) -> None:
    assert (found(heard) == []) == (heard == ONE_TO_FIVE)
