"""What a workload may cost."""

from __future__ import annotations

import pytest

from benchmarks.limits import Limit, Value


def test_a_limit_is_the_most_or_the_least() -> None:
    assert Limit(2.4).keeps(2.4)
    assert not Limit(2.4).keeps(2.41)
    assert Limit(0.9, least=True).keeps(0.9)
    assert not Limit(0.9, least=True).keeps(0.89)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (Limit(330), "≤ 330"),
        (Limit(2.4, of="floor"), "≤ 2.4x of floor"),
        (Limit(1 / 90, of="channels-worker"), "≤ 1/90 of channels-worker"),
        (Limit(3.5, of="sleep-1", least=True), "≥ 3.5x of sleep-1"),
        (Limit(0.4, Value.P50_MS), "≤ 0.4 p50 ms"),
    ],
)
def test_a_limit_says_itself(limit: Limit, words: str) -> None:
    assert str(limit) == words
