"""Frames a server sends."""

from __future__ import annotations

import pytest
from aiohttp._websocket.models import WSMessage, WSMessageTextBytes, WSMsgType
from aiohttp._websocket.reader_py import WebSocketDataQueue, WebSocketReader
from hypothesis import given
from hypothesis import strategies as st

from trunkline.interface import frames


class Queue(WebSocketDataQueue):
    """Where aiohttp's reader puts what it finds."""

    def __init__(self) -> None:
        self._size, self._limit, self._stalled_reader = 0, 1 << 30, None
        self.found: list[tuple[WSMsgType, object, object]] = []

    def feed_data(self, data: WSMessage | WSMessageTextBytes, size: int) -> None:
        self.found.append(tuple(data))


def read(data: bytes, compress: bool = False) -> list[tuple[WSMsgType, object, object]]:
    """A second opinion: what aiohttp's reader finds in our bytes."""
    queue = Queue()
    WebSocketReader(queue, 0, compress, True)._feed_data(data)
    return queue.found


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
def test_every_length_is_encoded_in_its_own_form(length: int) -> None:
    frame = frames.message(b"x" * length)

    assert len(frame) - length == (2 if length < 126 else 4 if length < 65_536 else 10)
    assert read(frame) == [(WSMsgType.BINARY, b"x" * length, "")]


@given(st.one_of(st.text(), st.binary()))
def test_another_reader_finds_the_same_message(payload: str | bytes) -> None:
    kind = WSMsgType.TEXT if isinstance(payload, str) else WSMsgType.BINARY

    assert read(frames.message(payload)) == [(kind, payload, "")]


@given(st.one_of(st.text(min_size=20), st.binary(min_size=60)))
def test_compressed_messages_can_be_read_one_by_one_without_what_came_before(payload: str | bytes) -> None:
    frame = frames.deflated(payload)

    found = read(frames.deflated("x" * 100) + frame, compress=True)

    assert found[1][1] == payload


def test_a_long_text_shrinks_and_a_short_one_is_left_alone() -> None:
    assert len(frames.deflated("ha" * 500)) < 50
    assert frames.deflated("short") == frames.message("short")


def test_control_frames_are_what_the_rfc_says() -> None:
    assert frames.PING_FRAME == b"\x89\x00"
    assert frames.pong(b"abc") == b"\x8a\x03abc"
    assert frames.close(1000, "bye") == b"\x88\x05\x03\xe8bye"
    assert frames.close(frames.NO_STATUS) == b"\x88\x00"


def test_a_close_reason_is_cut_between_characters() -> None:
    frame = frames.close(1000, "ü" * 100)

    assert len(frame) == 2 + 2 + 122
    assert frame[4:].decode() == "ü" * 61
    assert frames.close(1000, "a\ud800")[4:] == b"a?"


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1012, 1014, 3000, 4999])
def test_codes_that_may_be_sent(code: int) -> None:
    assert frames.may_be_sent(code)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, True, "1000", None])
def test_codes_that_may_not_be_sent(code: object) -> None:
    assert not frames.may_be_sent(code)


def test_a_frame_for_a_group_is_encoded_once() -> None:
    framed = frames.Framed("hello" * 100)

    assert framed.plain() is framed.plain()
    assert framed.plain() == frames.message("hello" * 100)
    assert framed.deflated() is framed.deflated()
    assert framed.deflated() == frames.deflated("hello" * 100)
