"""Ids of dead letters over several shards, and their order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.protocol.sharding.letters import Place, listed, place

PLACES = st.builds(Place, st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), st.integers(0, 3))


@given(PLACES)
def test_an_id_leads_back_to_its_place(where: Place) -> None:
    assert place(listed(where.local, where.shard), 4) == where


def test_letters_of_the_first_shard_have_the_ids_that_they_have_there() -> None:
    assert listed("17-0", 0) == "17-0"
    assert listed("17-0", 2) == "17-0@2"


def test_a_page_goes_on_in_a_later_shard_with_letters_of_the_same_time() -> None:
    assert Place((17, 4), 0).before(1) == "17-3"
    assert Place((17, 0), 0).before(1) == f"16-{2**64 - 1}"
    assert Place((0, 0), 0).before(1) == ""
    assert Place((17, 4), 1).before(0) == "17-4"


@pytest.mark.parametrize("text", ["", "17", "17-0@", "17-0@0", "17-0@01", "17-0@2", "-0", "17-0@x", "x17-0"])
def test_no_letter_has_such_an_id(text: str) -> None:
    assert place(text, 2) is None


@given(PLACES, PLACES)
def test_behind_an_id_stand_exactly_the_later_letters_of_each_shard(at: Place, other: Place) -> None:
    start = at.before(other.shard)
    behind = place(start, 1) if start else None

    assert (other > at) == (behind is None or other.time > behind.time)
