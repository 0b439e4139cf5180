"""Numbers as text."""

from __future__ import annotations

import pytest

from benchmarks.figures import Spread
from benchmarks.text import bullets, fraction, number, ranged, ratio, table


@pytest.mark.parametrize(
    ("value", "words"),
    [(12_345.6, "12,346"), (20.74, "20.7"), (2.345, "2.35"), (0.0, "0.00"), (0.0105, "0.011")],
)
def test_a_number_has_as_many_figures_as_make_sense(value: float, words: str) -> None:
    assert number(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (2.4, "2.40x"),
        (0.251, "0.25x"),
        (0.25, "1/4"),
        (1 / 5.88, "1/5.88"),
        (1 / 90, "1/90"),
        (1 / 1234, "1/1,234"),
    ],
)
def test_a_small_ratio_is_a_fraction(value: float, words: str) -> None:
    assert ratio(value) == words


def test_no_ratio_is_no_fraction() -> None:
    assert ratio(0.0) == "0.00x"
    assert fraction(1 / 6) == "1/6"


def test_a_spread_says_its_range_and_nothing_is_void() -> None:
    assert ranged(Spread(2.0, 1.0, 3.0)) == "2.00 (1.00 to 3.00)"
    assert ranged(Spread(2.0, 0.02, 3.0), ratio) == "2.00x (1/50 to 3.00x)"
    assert ranged(None) == "void"


def test_tables_and_lists_are_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert bullets(["x", "y"]) == "- x\n- y"
    assert bullets([]) == "None."
