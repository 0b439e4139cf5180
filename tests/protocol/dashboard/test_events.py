"""Server-sent events as bytes, read back as the standard says a browser reads them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.protocol.dashboard.events import KEEP_ALIVE, event, retry


def read(stream: bytes) -> list[tuple[str, str, str]]:
    """Type, data and last id of each event, by the standard's own rules (section 9.2.6)."""
    data: list[str] = []
    kind, last_id = "", ""
    found = []
    for line in re.split("\r\n|\r|\n", stream.decode("utf-8")):
        if not line:
            if data:
                found.append((kind or "message", "\n".join(data), last_id))
            kind, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            kind = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            last_id = value
    return found


def test_an_event_has_type_data_and_id() -> None:
    assert event("facts", "{}", "a-1") == b"id: a-1\nevent: facts\ndata: {}\n\n"
    assert event("facts", "{}") == b"event: facts\ndata: {}\n\n"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_one_event_and_arrives_with_its_lines(text: str) -> None:
    assert read(KEEP_ALIVE + event("x", text, "7") + event("y", "end")) == [
        ("x", re.sub("\r\n|\r", "\n", text), "7"),
        ("y", "end", "7"),
    ]


def test_a_lone_surrogate_is_written_as_python_would() -> None:
    assert event("x", "\ud800") == b"event: x\ndata: \\ud800\n\n"


@pytest.mark.parametrize(("name", "id"), [("a\nb", ""), ("a\r", ""), ("a", "1\n2"), ("a", "\0")])
def test_a_name_or_id_that_would_end_its_line_is_refused(name: str, id: str) -> None:
    with pytest.raises(ValueError, match="expected one line without NUL"):
        event(name, "", id)


def test_a_retry_is_in_whole_milliseconds() -> None:
    assert retry(2.0) == b"retry: 2000\n\n"
