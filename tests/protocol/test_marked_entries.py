"""The bytes of marks: at the end of an entry, and before a mailbox operation."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.protocol.codec import (
    MARK,
    MAX_BODY_BYTES,
    decode_entry,
    decode_mailbox,
    encode_entry,
    encode_mailbox,
    encode_mark,
    encode_marked,
    encode_text_release,
    mark_entry,
)
from trunkline.protocol.errors import CodecError
from trunkline.protocol.marks import MarkedEntry, Marks, Stamps, TraceContext, marks_of
from trunkline.protocol.messages import DeadLetterRecord, Entry
from trunkline.protocol.names import RECEIVE, ChannelName, ConnectionId, ReplyName
from trunkline.protocol.redriving import again

REPLY = ReplyName("reply.i0123456789ab!AbCdEfGhIjKlMnOpQrSt")
TRACE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True, "a=b")
BOTH = Marks(TRACE, True)
WORK = ChannelName("work")
ENTRIES = [
    Entry(RECEIVE, REPLY, "/", 1, ["hello"]),
    Entry(RECEIVE, REPLY, "/", 1, ["hello", b"\0"]),
    Entry(WORK, None, None, 0, [{"n": 1}], "w1-1"),
    Entry(RECEIVE, REPLY, "/", -1, ["hello"], "AbCdEfGhIjKlMnOpQrSt:7", 2),
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_marked_entry_comes_back_with_its_marks_and_is_the_same_in_all_else(entry: Entry) -> None:
    back = decode_entry(entry.channel, mark_entry(encode_entry(entry), BOTH))
    assert back == entry
    assert marks_of(back) == BOTH


def test_an_entry_is_marked_once() -> None:
    body = mark_entry(encode_entry(ENTRIES[0]), BOTH)
    assert mark_entry(body, Marks(waterfall=True)) == body


def test_an_entry_that_would_become_too_large_is_not_marked() -> None:
    body = encode_entry(Entry(WORK, None, None, 0, [{"x": b"\0" * (MAX_BODY_BYTES - 100)}], "w1-1"))
    assert mark_entry(body, BOTH) == body


@pytest.mark.parametrize(
    "fields",
    [
        [None, None, 0, [{}], None, 0, []],
        [None, None, 0, [{}], None, 0, None],
        [None, None, 0, [{}], None, 1, {}],
        [None, None, 0, [{}], 7, 0, {}],
        [None, None, 0, [{}], "id", -1, {}],
        [None, None, 0, [{}], "id", 0, {}, 1],
    ],
)
def test_marks_in_another_shape_are_garbage(fields: list[Any]) -> None:
    with pytest.raises(CodecError):
        decode_entry(WORK, b"\x01" + msgpack.packb(fields))


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.none(), st.integers(0, 9), st.text(max_size=5))))
def test_marks_of_a_later_version_are_left_out(values: dict[str, Any]) -> None:
    entry = decode_entry(WORK, b"\x01" + msgpack.packb([None, None, 0, [{}], None, 0, values]))
    assert marks_of(entry) == Marks()


def test_what_is_sent_again_goes_on_with_its_trace_and_without_its_waterfall() -> None:
    marked = MarkedEntry.with_marks(ENTRIES[3], BOTH)
    timed = MarkedEntry.with_marks(ENTRIES[3], Marks(waterfall=True))
    assert marks_of(decode_entry(RECEIVE, encode_marked(marked))) == Marks(TRACE)
    assert encode_marked(timed) == encode_marked(ENTRIES[3]) == encode_entry(ENTRIES[3])


@pytest.mark.parametrize("entry", [ENTRIES[0], ENTRIES[2]])
def test_a_dead_letter_that_is_put_back_goes_on_with_its_trace(entry: Entry) -> None:
    body = encode_marked(MarkedEntry.with_marks(entry, BOTH))
    letter = DeadLetterRecord("1-0", "error", entry.channel, body, "", "", "", 1, "w1", b"", 0.0)
    back = decode_entry(entry.channel, again(letter).body)
    assert marks_of(back) == Marks(TRACE)
    assert back.events == entry.events


def test_a_mark_stands_before_its_operation() -> None:
    connection = ConnectionId("AbCdEfGhIjKlMnOpQrSt")
    stamps = Stamps("w1", "r", 1, "1-0", 1, 2, 3, 4, "ok")
    chunk = encode_mark(connection, 1, BOTH, stamps) + encode_text_release(connection, 1, "hi")
    mark, release = decode_mailbox(encode_mailbox([chunk]))
    assert mark[:3] == [MARK, connection, 1]
    assert Marks.of(mark[3]) == BOTH
    assert Stamps.of(mark[3]["stamps"]) == stamps
    assert release == [1, connection, 1, ["hi"]]


@pytest.mark.parametrize("last", [[], "x", None])
def test_a_mark_without_a_map_is_garbage(last: object) -> None:
    with pytest.raises(CodecError):
        decode_mailbox(b"\x01" + msgpack.packb([MARK, "g", -1, last]))
