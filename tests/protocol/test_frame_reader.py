"""The frame reader takes what `codec.decode_entry` would take for an entry of one text frame, and nothing else."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.protocol.codec import decode_entry, encode_entry, mark_entry
from trunkline.protocol.errors import CodecError
from trunkline.protocol.frame_reader import FrameReader
from trunkline.protocol.marks import Marks
from trunkline.protocol.messages import LAST_SEQ, Entry
from trunkline.protocol.names import RECEIVE, ReplyName
from trunkline.protocol.operations import MAX_KEPT_BYTES

REPLY = ReplyName("reply.i1!c1")
PLAIN = encode_entry(Entry(RECEIVE, REPLY, "/a", 5, ["hello"]))
FIELDS = [REPLY, "/a", 5, ["hello"]]


def packed(value: Any) -> bytes:
    return b"\x01" + bytes(msgpack.packb(value))


def test_an_entry_of_one_text_frame_is_taken_apart_again_and_again() -> None:
    read = FrameReader().read
    assert [read(PLAIN), read(PLAIN)] == [FIELDS, FIELDS]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x01",
        b"\x02" + PLAIN[1:],
        b"\xc3" + PLAIN[1:],
        PLAIN[:-1],
        PLAIN + b"\x01",
        PLAIN + PLAIN,
        b"\x01\xc1",
        packed({"a": 1}),
        packed([*FIELDS, "id"]),
        packed([None, "/a", 5, ["hello"]]),
        packed([REPLY, None, 5, ["hello"]]),
        packed([REPLY, "/a", True, ["hello"]]),
        packed([REPLY, "/a", -1, ["hello"]]),
        packed([REPLY, "/a", LAST_SEQ + 1, ["hello"]]),
        packed([REPLY, "/a", 5, "hello"]),
        packed([REPLY, "/a", 5, []]),
        packed([REPLY, "/a", 5, ["hello", "again"]]),
        packed([REPLY, "/a", 5, [b"hello"]]),
        mark_entry(PLAIN, Marks(waterfall=True)),
        encode_entry(Entry(RECEIVE, REPLY, "/a", 5, ["x" * MAX_KEPT_BYTES])),
    ],
)
def test_anything_else_is_left_to_the_codec_and_leaves_nothing_behind(raw: bytes) -> None:
    read = FrameReader().read
    assert read(PLAIN) == FIELDS
    assert read(raw) is None
    assert read(PLAIN) == FIELDS


@given(st.lists(st.one_of(st.just(PLAIN), st.binary(max_size=20), st.binary(max_size=9).map(PLAIN.__add__))))
def test_what_it_takes_apart_the_codec_decodes_to_the_same(raws: list[bytes]) -> None:
    read = FrameReader().read
    for raw in raws:
        try:
            entry = decode_entry(RECEIVE, raw)
        except CodecError:
            assert read(raw) is None
            continue
        assert read(raw) in (None, list(entry[1:5]))
