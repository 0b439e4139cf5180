"""Outcomes as arguments, and large commits in parts."""

from __future__ import annotations

from trunkline.protocol.messages import DeadLetter, Delivery, Effect, Outcome, Post, SessionWrite
from trunkline.protocol.names import ChannelName, ConnectionId, InterfaceId
from trunkline.protocol.redis_layer.commit_call import MAX_CALL_BYTES, commit_args, split

A, B = ChannelName("a"), ChannelName("b")


def outcome(channel: ChannelName, name: str, *sizes: int) -> Outcome:
    return Outcome(Delivery(channel, name, b"", 1, 0.0), [DeadLetter(b"x" * size) for size in sizes])


def test_outcomes_are_sorted_by_channel_and_keep_their_order_within_it() -> None:
    channels, args = commit_args([outcome(A, "1", 1), outcome(B, "2"), outcome(A, "3", 2, 1)])

    assert channels == (A, B)
    assert args == [2, 1, "1", "3", "2", 1, "L", b"x", 2, "L", b"xx", "L", b"x", 0]


def test_a_single_outcome_looks_as_one_among_others() -> None:
    post = Outcome(Delivery(B, "2", b"", 1, 0.0), [Post(InterfaceId("i1"), b"chunk")])

    assert commit_args([post]) == ((B,), [1, "2", 1, "P", "i1", b"chunk"])
    assert commit_args([outcome(A, "1", 2, 1)]) == ((A,), [1, "1", 2, "L", b"xx", "L", b"x"])
    assert commit_args([outcome(A, "1")]) == ((A,), [1, "1", 0])
    both, args = commit_args([outcome(A, "1", 2, 1), post])
    assert (both, args) == ((A, B), [1, 1, "1", "2", 2, "L", b"xx", "L", b"x", 1, "P", "i1", b"chunk"])


def test_entries_that_only_post_and_follow_each_other_are_sorted_by_mailbox() -> None:
    one, two = InterfaceId("i1"), InterfaceId("i2")
    posts = [Post(one, b"a"), Post(two, b"bb"), Post(one, b"ccc")]
    outcomes = [Outcome(Delivery(A, str(number), b"", 1, 0.0), [post]) for number, post in enumerate(posts)]

    _, args = commit_args([*outcomes, outcome(A, "3", 1), outcomes[1]])

    heads = [5, "0", "1", "2", "3", "1"]
    run = [-3, 2, one, b"accc", "1 1 3 3", two, b"bb", "2 2", 0]
    assert args == [*heads, *run, 1, "L", b"x", 1, "P", two, b"bb"]


def test_sessions_of_entries_that_answer_are_sorted_by_interface() -> None:
    one, two = InterfaceId("i1"), InterfaceId("i2")
    writes = [SessionWrite(two, ConnectionId("b"), b"B"), SessionWrite(one, ConnectionId("c"), b"C")]
    effects: list[list[Effect]] = [
        [Post(one, b"a")],
        [writes[0], Post(two, b"bb")],
        [writes[1], Post(one, b"ccc")],
        [SessionWrite(two, ConnectionId("d"), b"D"), Post(two, b"d")],
    ]

    _, args = commit_args([
        Outcome(Delivery(A, str(number), b"", 1, 0.0), some) for number, some in enumerate(effects)
    ])  # fmt: skip

    posted = [2, one, b"accc", "1 1 3 3", two, b"bbd", "2 2 4 1"]
    written = [2, two, 2, "2 4", "b", "d", b"B", b"D", one, 1, "3", "c", b"C"]
    assert args == [4, "0", "1", "2", "3", -4, *posted, *written]


def test_what_deletes_a_session_or_does_more_stands_by_itself() -> None:
    one, letter = InterfaceId("i1"), DeadLetter(b"x")
    deleted, kept = SessionWrite(one, ConnectionId("b"), b""), SessionWrite(one, ConnectionId("c"), b"C")
    post = Post(one, b"p")
    effects: list[list[Effect]] = [
        [deleted, post],
        [kept, post],
        [kept, letter],
        [post, post],
        [post, kept],
        [kept, post, post],
    ]

    _, args = commit_args([
        Outcome(Delivery(A, str(number), b"", 1, 0.0), some) for number, some in enumerate(effects)
    ])  # fmt: skip

    p, s = ["P", one, b"p"], ["S", one, "c", b"C"]
    alone = [2, "S", one, "b", b"", *p, 2, *s, *p, 2, *s, "L", b"x", 2, *p, *p, 2, *p, *s, 3, *s, *p, *p]
    assert args == [6, *"012345", *alone]


def test_a_commit_is_split_before_it_grows_over_the_bound() -> None:
    half = MAX_CALL_BYTES // 2
    outcomes = [outcome(A, str(number), half) for number in range(5)]

    assert split(outcomes) == [outcomes[:2], outcomes[2:4], outcomes[4:]]


def test_a_single_outcome_is_never_split() -> None:
    small, large = outcome(A, "small", 1), outcome(A, "large", MAX_CALL_BYTES, MAX_CALL_BYTES)

    assert split([small, large, small]) == [[small], [large], [small]]
    assert split([large]) == [[large]]


def test_places_of_chunks_longer_than_most_are_written_out_as_well() -> None:
    one, sizes = InterfaceId("i1"), (1, 2047, 2048, 70_000)
    outcomes = [Outcome(Delivery(A, str(size), b"", 1, 0.0), [Post(one, b"x" * size)]) for size in sizes]

    _, args = commit_args(outcomes)

    assert "1 1 2 2047 3 2048 4 70000" in args
