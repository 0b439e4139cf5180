"""Statistics of the suite: medians, percentiles and ratios of pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Spread(NamedTuple):
    """Several measurements of one thing."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median and range.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("no values: every run was void")
    return Spread(median(values), min(values), max(values))


def percentile(ordered: Sequence[int], share: float) -> int:
    """The nearest-rank percentile: the least value that at least ``share`` of all do not exceed.

    Args:
        ordered: the values, ascending, at least one.
        share: above 0, at most 1.
    """
    if not ordered or not 0 < share <= 1:
        raise ValueError(
            f"percentile {share} of {len(ordered)} values: expected a share above 0 and some values"
        )
    return ordered[math.ceil(share * len(ordered)) - 1]


def paired_ratios(pairs: Sequence[tuple[float | None, float | None]]) -> list[float]:
    """The ratio of each pair in which both runs count.

    The two runs of a pair follow each other, so what else the machine does weighs on both: their ratio is steadier
    than the ratio of two medians.
    """
    return [mine / other for mine, other in pairs if mine is not None and other]
