"""One short text frame by itself: taken, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.client_frames import frame
from trunkline.interface.frames import BINARY, PING, TEXT
from trunkline.interface.lone_text import HEADER_BYTES, LONGEST, lone_text
from trunkline.protocol import text_entry


def test_what_is_taken_makes_an_entry_of_a_short_text() -> None:
    assert LONGEST - HEADER_BYTES < text_entry.SHORT


@pytest.mark.parametrize("text", ["", "a", "x" * 125, "é" * 62, "日本"])
def test_a_short_text_is_taken(text: str) -> None:
    found = lone_text(frame(TEXT, text.encode()))
    assert found is not None
    assert found.decode() == text


@pytest.mark.parametrize(
    "data",
    [
        frame(BINARY, b"a"),
        frame(PING, b"a"),
        frame(0, b"a"),
        frame(TEXT, b"a", fin=False),
        frame(TEXT, b"a", rsv=4),
        frame(TEXT, b"abcdef", masked=False),
        frame(TEXT, b"ab")[:-1],
        frame(TEXT, b"a") + b"\x81",
        frame(TEXT, b"a") + frame(TEXT, b"b"),
        frame(TEXT, b"\xff"),
        frame(TEXT, "é".encode()[:1]),
        frame(TEXT, "\ud800".encode("utf-8", "surrogatepass")),
        b"\x81\xfe\x00\x00" + b"mask",
    ],
)
def test_anything_else_is_left_to_the_reader(data: bytes) -> None:
    assert lone_text(data) is None


@given(st.binary(min_size=HEADER_BYTES, max_size=LONGEST))
def test_any_bytes_are_one_text_or_none(data: bytes) -> None:
    text = lone_text(data)
    if text is not None:
        assert text.decode().encode() == text
        assert data[:2] == bytes((0x81, 0x80 | len(text)))
        assert len(data) == len(text) + HEADER_BYTES
