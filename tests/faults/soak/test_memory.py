"""Memory that grows is told from memory that goes up and down."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.soak.memory import LEAST_SAMPLES, Sample, growth

MIB = 1024 * 1024


def samples(*sizes_mib: float) -> list[Sample]:
    return [Sample(place * 10.0, int(size * MIB)) for place, size in enumerate(sizes_mib)]


def test_a_process_that_goes_up_and_down_is_flat() -> None:
    found = growth("p", samples(*(50 + math.sin(place) for place in range(100))), 0)

    assert found is not None and found.flat


def test_a_process_that_grows_slowly_and_always_is_not() -> None:
    found = growth("p", samples(*(50 + place * 0.1 for place in range(100))), 0)

    assert found is not None and not found.flat
    assert abs(found.grown_bytes / MIB - 9.9) < 0.1


def test_the_course_shows_each_part() -> None:
    found = growth("p", samples(*(50 + place // 10 for place in range(60))), 0)

    assert found is not None
    assert found.course_bytes == [(50 + part) * MIB for part in range(6)]


def test_growth_while_it_warms_up_does_not_count() -> None:
    found = growth("p", samples(*(min(place, 30) for place in range(100))), 300)

    assert found is not None and found.flat
    assert found.samples == 70


def test_a_young_process_is_not_judged() -> None:
    assert growth("p", samples(*[50.0] * (LEAST_SAMPLES - 1)), 0) is None
    assert growth("p", samples(*[50.0] * 20), 300) is None


def test_a_process_that_shrinks_is_flat() -> None:
    found = growth("p", samples(*(80 - place for place in range(60))), 0)

    assert found is not None and found.flat


@given(st.lists(st.integers(0, 19), max_size=4))
def test_a_few_samples_taken_in_the_middle_of_a_fault_change_nothing(places: list[int]) -> None:
    sizes = [50.0] * 20
    for place in places:
        sizes[place] = 500.0

    found = growth("p", samples(*sizes), 0)

    assert found is not None and found.flat
