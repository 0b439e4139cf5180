"""Marks of entries: trace contexts as the W3C has them, and what a worker tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.protocol.marks import (
    MAX_STATE,
    MAX_TEXT,
    MarkedEntry,
    Marks,
    Stamps,
    TraceContext,
    marks_of,
    read_context,
)
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import RECEIVE

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STAMPS = Stamps("w0123456789ab", "chat.echo", 1, "1700000000000-0", 700, 90, 400, 410, "ok")


def test_a_traceparent_is_read_and_written_as_it_was() -> None:
    found = read_context(f"00-{TRACE}-{SPAN}-01", "vendor=1")
    assert found == TraceContext(TRACE, SPAN, True, "vendor=1")
    assert found.traceparent == f"00-{TRACE}-{SPAN}-01"


def test_the_flag_says_whether_it_is_sampled_and_other_flags_do_not_matter() -> None:
    flags = {"00": False, "01": True, "02": False, "03": True, "ff": True}
    read = {flag: read_context(f"00-{TRACE}-{SPAN}-{flag}") for flag in flags}
    assert {flag: found.sampled for flag, found in read.items() if found is not None} == flags


def test_a_later_version_is_read_for_what_this_one_knows() -> None:
    assert read_context(f"01-{TRACE}-{SPAN}-01-more") == TraceContext(TRACE, SPAN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        7,
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE[:-1]}-{SPAN}-01",
    ],
)
def test_a_traceparent_that_breaks_a_rule_counts_as_none(text: object) -> None:
    assert read_context(text) is None


@pytest.mark.parametrize("state", ["x" * (MAX_STATE + 1), "line\nbreak", "ä", 3, None])
def test_a_bad_tracestate_is_left_out(state: object) -> None:
    assert read_context(f"00-{TRACE}-{SPAN}-00", state) == TraceContext(TRACE, SPAN, False)


@pytest.mark.parametrize(
    "marks",
    [
        Marks(),
        Marks(waterfall=True),
        Marks(TraceContext(TRACE, SPAN)),
        Marks(TraceContext(TRACE, SPAN, False, "a=b"), True),
    ],
)
def test_marks_come_back_as_they_were(marks: Marks) -> None:
    assert Marks.of(marks.as_map()) == marks


@given(st.dictionaries(st.one_of(st.text(), st.integers()), st.one_of(st.none(), st.text(), st.booleans())))
def test_marks_that_nobody_understands_are_no_marks(values: dict[object, object]) -> None:
    values.pop("waterfall", None)
    assert Marks.of(values) == Marks()


def test_a_marked_entry_is_an_entry_and_keeps_its_marks_when_it_is_changed() -> None:
    plain = Entry(RECEIVE, None, "/", 1, ["a"])
    marked = MarkedEntry.with_marks(plain, Marks(waterfall=True))
    changed = marked._replace(seq=2)
    assert marked == plain
    assert changed == plain._replace(seq=2)
    assert [marks_of(entry) for entry in (plain, marked, changed)] == [None, marked.marks, marked.marks]


def test_stamps_come_back_as_they_were_and_may_grow_at_their_end() -> None:
    assert Stamps.of(STAMPS.as_list()) == STAMPS
    assert Stamps.of([*STAMPS.as_list(), "of a later version"]) == STAMPS


@pytest.mark.parametrize("values", [None, {}, [], [1] * 9, STAMPS.as_list()[:-1]])
def test_what_are_no_stamps_are_none(values: object) -> None:
    assert Stamps.of(values) is None


def test_a_long_text_in_stamps_is_cut() -> None:
    assert len(STAMPS._replace(route="x" * 1000).as_list()[1]) == MAX_TEXT
