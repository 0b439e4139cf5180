"""Outcomes as arguments, and large commits in parts."""

from __future__ import annotations

from trunkline.protocol.messages import DeadLetter, Delivery, Outcome
from trunkline.protocol.names import ChannelName
from trunkline.protocol.redis_layer.commit_call import MAX_CALL_BYTES, commit_args, split

A, B = ChannelName("a"), ChannelName("b")


def outcome(channel: ChannelName, name: str, *sizes: int) -> Outcome:
    return Outcome(Delivery(channel, name, b"", 1, 0.0), [DeadLetter(b"x" * size) for size in sizes])


def test_outcomes_are_sorted_by_channel_and_keep_their_order_within_it() -> None:
    channels, args = commit_args([outcome(A, "1", 1), outcome(B, "2"), outcome(A, "3", 2, 1)])

    assert channels == [A, B]
    assert args == [2, 1, "1", "3", "2", 1, "L", b"x", 2, "L", b"xx", "L", b"x", 0]


def test_a_commit_is_split_before_it_grows_over_the_bound() -> None:
    half = MAX_CALL_BYTES // 2
    outcomes = [outcome(A, str(number), half) for number in range(5)]

    assert split(outcomes) == [outcomes[:2], outcomes[2:4], outcomes[4:]]


def test_a_single_outcome_is_never_split() -> None:
    small, large = outcome(A, "small", 1), outcome(A, "large", MAX_CALL_BYTES, MAX_CALL_BYTES)

    assert split([small, large, small]) == [[small], [large], [small]]
    assert split([large]) == [[large]]
