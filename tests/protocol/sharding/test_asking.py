"""Several shards asked at once."""

from __future__ import annotations

import asyncio

import pytest

from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.sharding.asking import Answers, ask_each, said


async def ask(what: str) -> str:
    if what == "gone":
        raise LayerUnavailable("gone fishing")
    if what == "silent":
        await asyncio.Event().wait()
    if what == "faulty":
        raise RuntimeError("a fault")
    return what.upper()


async def test_those_that_answer_are_told_and_the_others_named() -> None:
    answers = await ask_each({0: "a", 1: "gone", 2: "b"}, ask)

    assert answers == Answers({0: "A", 2: "B"}, {1: "gone fishing"})


async def test_nobody_waits_for_one_that_is_silent_longer_than_the_limit() -> None:
    answers = await ask_each({0: "a", 1: "silent", 2: "silent"}, ask, 0.01, ["redis://a", "redis://b"])

    assert answers.away == {1: "Redis at redis://b: no answer within 0.01 s", 2: "no answer within 0.01 s"}


async def test_if_none_answers_that_is_raised_with_the_reason_of_each() -> None:
    with pytest.raises(LayerUnavailable, match=r"^shard 0: gone fishing; shard 3: gone fishing$"):
        await ask_each({3: "gone", 0: "gone"}, ask)
    with pytest.raises(LayerUnavailable, match=r"^gone fishing$"):
        await ask_each({0: "gone"}, ask)


async def test_a_fault_is_no_shard_that_is_away() -> None:
    with pytest.raises(RuntimeError, match="a fault"):
        await ask_each({0: "a", 1: "faulty"}, ask)


def test_what_is_away_is_said_in_the_order_of_the_shards() -> None:
    assert said({2: "b", 1: "a"}) == "shard 1: a; shard 2: b"
