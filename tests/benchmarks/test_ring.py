"""The cycle of messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.ring import LENGTH, SHORT_LENGTH, Ring, payload
from benchmarks.wire import client_frame, server_frame
from tests.benchmarks.sockets import plain, wrapped


@pytest.mark.parametrize("size", [16, 17, 125, 65_536])
def test_a_message_has_its_size_and_no_other_connection_has_the_same(size: int) -> None:
    assert len(payload(3, 4, size)) == size
    assert len({payload(connection, number, size) for connection in range(3) for number in range(3)}) == 9


def test_a_ring_of_large_messages_is_short() -> None:
    assert len(Ring(0, 4095, plain())) == LENGTH
    assert len(Ring(0, 4096, plain())) == SHORT_LENGTH


def test_frames_are_those_of_the_dialect() -> None:
    assert Ring(7, 16, plain()).frames[2] == client_frame(payload(7, 2))
    assert Ring(7, 16, wrapped()).frames[2] == client_frame(b"<" + payload(7, 2) + b">")


def test_without_a_known_reply_there_is_no_stream() -> None:
    assert Ring(7, 16, wrapped()).stream == b""


@given(st.integers(0, 575), st.integers(0, 2000))
def test_a_stream_goes_on_however_it_is_cut(at: int, size: int) -> None:
    ring = Ring(1, 16, plain())
    forever = b"".join(map(server_frame, ring.messages)) * 6
    data = forever[at : at + size]
    assert ring.matches(at, data)
    if data:
        assert not ring.matches(at, data[:-1] + bytes([data[-1] ^ 1]))


def test_a_message_of_the_half_that_came_last_is_a_duplicate() -> None:
    ring = Ring(1, 16, plain())
    assert ring.was_before(ring.messages[4], 5)
    assert ring.was_before(ring.messages[-1], 0)
    assert not ring.was_before(ring.messages[6], 5)
    assert not ring.was_before(b"something else", 5)
