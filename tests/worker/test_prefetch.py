"""How many entries to ask for at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.worker.prefetch import TARGET_S, Prefetch


def test_it_begins_with_a_few() -> None:
    assert Prefetch(256).count == 8


def test_fast_handlers_raise_it_to_the_limit_within_a_few_batches() -> None:
    prefetch = Prefetch(256)
    for _ in range(40):
        prefetch.batch(prefetch.count, prefetch.count * 0.000_01)
    assert prefetch.count == 256


def test_slow_handlers_lower_it_to_one_within_five_batches() -> None:
    prefetch = Prefetch(256)
    for _ in range(40):
        prefetch.batch(256, 0.001)
    for _ in range(5):
        prefetch.batch(1, 0.05)
    assert prefetch.count == 1


def test_nothing_handled_tells_nothing() -> None:
    prefetch = Prefetch(256)
    prefetch.batch(0, 5.0)
    assert prefetch.count == 8


@given(
    st.integers(1, 1000),
    st.lists(st.tuples(st.integers(0, 1000), st.floats(0, 60, allow_nan=False)), max_size=30),
)
def test_it_is_never_below_one_or_above_the_limit(limit: int, batches: list[tuple[int, float]]) -> None:
    prefetch = Prefetch(limit)
    for entries, seconds in batches:
        prefetch.batch(entries, seconds)
        assert 1 <= prefetch.count <= limit


@given(st.floats(0.000_01, 1.0))
def test_a_batch_takes_about_the_target_once_handlers_are_steady(entry_s: float) -> None:
    prefetch = Prefetch(1000)
    for _ in range(200):
        prefetch.batch(1, entry_s)
    assert prefetch.count == 1000 or prefetch.count == 1 or prefetch.count * entry_s <= TARGET_S * 1.01
