"""The generator's frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.wire import (
    CLOSE,
    PING,
    TEXT,
    BadFrame,
    Frame,
    FrameReader,
    client_frame,
    handshake,
    server_frame,
)


def test_a_client_frame_is_the_one_of_rfc_6455() -> None:
    # Section 5.7: a single-frame masked text message, "Hello".
    assert client_frame(b"Hello") == bytes.fromhex("818537fa213d7f9f4d5158")


def test_a_server_frame_is_the_one_of_rfc_6455() -> None:
    assert server_frame(b"Hello") == bytes.fromhex("810548656c6c6f")


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_frames_of_every_length_encoding_are_read_back(size: int) -> None:
    payload = b"x" * size
    assert FrameReader().feed(server_frame(payload)) == [Frame(TEXT, payload)]


@given(
    st.lists(st.tuples(st.sampled_from([TEXT, PING, CLOSE]), st.binary(max_size=300)), max_size=8),
    st.integers(1, 50),
)
def test_frames_are_read_however_they_are_cut(frames: list[tuple[int, bytes]], step: int) -> None:
    data = b"".join(server_frame(payload, opcode) for opcode, payload in frames)
    reader = FrameReader()
    heard: list[Frame] = []
    for start in range(0, len(data), step):
        heard += reader.feed(data[start : start + step])
    assert heard == [Frame(opcode, payload) for opcode, payload in frames]


@pytest.mark.parametrize("data", [client_frame(b"masked"), b"\x01\x01x", b"\xc1\x01x"])
def test_a_frame_that_is_masked_fragmented_or_compressed_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrame, match="expected a whole unmasked frame"):
        FrameReader().feed(data)


def test_the_handshake_names_host_and_path() -> None:
    request = handshake("127.0.0.1", 8000, "/echo")
    assert request.startswith(b"GET /echo HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n")
    assert request.endswith(b"\r\n\r\n")
