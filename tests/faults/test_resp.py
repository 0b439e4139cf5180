"""Frames are cut where they end, however the bytes arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.resp import RespError, Splitter, is_push, words

REPLIES = [
    b"+OK\r\n",
    b"-ERR no\r\n",
    b":42\r\n",
    b"$-1\r\n",
    b"*-1\r\n",
    b"$0\r\n\r\n",
    b"$6\r\na\r\nb*1\r\n",
    b"*0\r\n",
    b"*2\r\n*1\r\n$1\r\na\r\n*2\r\n:1\r\n*0\r\n",
    b"%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n",
    b"~1\r\n#t\r\n",
    b"=7\r\ntxt:abc\r\n",
    b"|1\r\n+ttl\r\n:3\r\n*1\r\n,1.5\r\n",
    b">2\r\n+invalidate\r\n*0\r\n",
]


@given(st.lists(st.sampled_from(REPLIES), max_size=6), st.integers(1, 9))
def test_frames_come_out_whole_however_they_were_cut(replies: list[bytes], chunk_bytes: int) -> None:
    splitter = Splitter()
    data = b"".join(replies)

    chunks = [data[start : start + chunk_bytes] for start in range(0, len(data), chunk_bytes)]

    assert [frame for chunk in chunks for frame in splitter.feed(chunk)] == replies


@pytest.mark.parametrize("data", [b"GET key\r\n", b"$?\r\n", b"*a\r\n"])
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(RespError):
        Splitter().feed(data)


def test_words_are_those_a_request_begins_with() -> None:
    request = b"*3\r\n$3\r\nSET\r\n$4\r\n\r\n$1\r\n$1\r\nx\r\n"

    assert words(request, 2) == [b"SET", b"\r\n$1"]
    assert words(request, 9) == [b"SET", b"\r\n$1", b"x"]


@pytest.mark.parametrize("request_bytes", [b"+PING\r\n", b"*1\r\n:1\r\n"])
def test_a_request_is_an_array_of_bulk_strings(request_bytes: bytes) -> None:
    with pytest.raises(RespError, match="array of bulk strings"):
        words(request_bytes, 2)


def test_a_push_is_told_from_a_reply() -> None:
    assert [is_push(reply) for reply in REPLIES].index(True) == len(REPLIES) - 1
