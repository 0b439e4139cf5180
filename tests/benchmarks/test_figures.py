"""Medians, percentiles and ratios."""

from __future__ import annotations

import pytest

from benchmarks.figures import Spread, paired_ratios, percentile, spread


def test_a_spread_is_median_and_range() -> None:
    assert spread([3.0, 1.0, 8.0]) == Spread(3.0, 1.0, 8.0)


def test_a_spread_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="every run was void"):
        spread([])


@pytest.mark.parametrize(("share", "value"), [(0.01, 1), (0.5, 50), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_the_nearest_rank(share: float, value: int) -> None:
    assert percentile(range(1, 101), share) == value


def test_every_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7], 0.01) == percentile([7], 0.99) == 7


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1], 0.0), ([1], 1.1)])
def test_a_percentile_that_is_none_is_an_error(values: list[int], share: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, share)


def test_a_pair_with_a_void_run_has_no_ratio() -> None:
    assert paired_ratios([(30.0, 10.0), (None, 10.0), (30.0, None), (10.0, 10.0)]) == [3.0, 1.0]
