"""Frames a client sends."""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.client_frames import MASK, frame
from trunkline.interface.frames import BINARY, CLOSE, PING, PONG, TEXT
from trunkline.interface.reader import (
    MAX_FRAGMENTS,
    TURN_FRAMES,
    Close,
    FrameError,
    FrameReader,
    Message,
    Ping,
    Pong,
)

LIMIT = 1000


def read(
    data: bytes, *, limit: int = LIMIT, deflate: bool = False, pieces: Sequence[int] = ()
) -> list[Message]:
    """Everything a reader finds, fed in one or in many pieces."""
    reader = FrameReader(limit, deflate)
    found: list[Message] = []
    cuts = [0, *sorted(pieces), len(data)]
    for start, end in itertools.pairwise(cuts):
        reader.feed(data[start:end])
        reader.spent = TURN_FRAMES
        while reader.spent == TURN_FRAMES:
            reader.spent = 0
            while (message := reader.next()) is not None:
                found.append(message)
    return found


def squeezed(data: bytes) -> bytes:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (squeezer.compress(data) + squeezer.flush(zlib.Z_SYNC_FLUSH))[:-4]


messages = st.lists(st.one_of(st.text(max_size=200), st.binary(max_size=200)), min_size=1, max_size=8)


@given(messages, st.data())
def test_messages_are_found_wherever_the_reads_cut_them(
    payloads: list[str | bytes], data: st.DataObject
) -> None:
    stream = b"".join(
        frame(TEXT, item.encode()) if isinstance(item, str) else frame(BINARY, item) for item in payloads
    )
    pieces = data.draw(st.lists(st.integers(0, len(stream)), max_size=10))

    assert read(stream, pieces=pieces) == payloads


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5), st.booleans())
def test_fragments_become_one_message_and_control_frames_may_stand_between(
    payload: bytes, cuts: list[int], ping: bool
) -> None:
    places = [0, *sorted(min(cut, len(payload)) for cut in cuts), len(payload)]
    parts = [payload[start:end] for start, end in itertools.pairwise(places)]
    between = frame(PING, b"hi") if ping else b""
    stream = between.join(
        frame(BINARY if number == 0 else 0, part, fin=number == len(parts) - 1)
        for number, part in enumerate(parts)
    )

    found = read(stream)

    assert [item for item in found if not isinstance(item, Ping)] == [payload]
    assert found.count(Ping(b"hi")) == (len(parts) - 1 if ping else 0)


def test_it_tells_how_large_a_message_was() -> None:
    reader = FrameReader(LIMIT)
    for payload, size in ((b"\xc3\xbc", 2), (b"x" * 200, 200)):
        reader.feed(frame(TEXT, payload))
        assert reader.next() == payload.decode()
        assert reader.size == size


def test_control_frames() -> None:
    assert read(frame(PING, b"a") + frame(PONG, b"b")) == [Ping(b"a"), Pong(b"b")]
    assert read(frame(CLOSE)) == [Close(1005, "")]
    assert read(frame(CLOSE, b"\x03\xe8bye")) == [Close(1000, "bye")]


def test_what_is_behind_a_message_waits_until_it_is_asked_for() -> None:
    reader = FrameReader(LIMIT)
    reader.feed(frame(TEXT, b"a") + frame(TEXT, b"b"))
    assert reader.next() == "a"

    reader.feed(frame(TEXT, b"c"))

    assert [reader.next(), reader.next(), reader.next()] == ["b", "c", None]


def test_a_compressed_message_is_inflated() -> None:
    assert read(frame(TEXT, squeezed(b"hello" * 50), rsv=4), deflate=True) == ["hello" * 50]
    parts = squeezed(b"hello" * 50)
    stream = frame(TEXT, parts[:4], fin=False, rsv=4) + frame(0, parts[4:])
    assert read(stream + frame(TEXT, b"plain"), deflate=True) == ["hello" * 50, "plain"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"x", masked=False), 1002),
        (frame(BINARY, b"x", masked=False), 1002),
        (frame(TEXT, b"x", rsv=4), 1002),
        (frame(TEXT, b"x", rsv=2), 1002),
        (frame(PING, b"x", rsv=1), 1002),
        (frame(3, b"x"), 1002),
        (frame(0xB, b"x"), 1002),
        (frame(PING, b"x", fin=False), 1002),
        (frame(CLOSE, b"\x03\xe8", fin=False), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(0, b"nothing begun"), 1002),
        (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
        (frame(CLOSE, b"\x03"), 1002),
        (frame(CLOSE, b"\x03\xe7"), 1002),
        (frame(CLOSE, b"\x03\xed"), 1002),
        (frame(CLOSE, b"\x03\xee"), 1002),
        (frame(CLOSE, b"\xff\xff"), 1002),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, b"ok" + b"\xc3" * 90), 1007),
        (frame(TEXT, b"\xc3(", fin=True) + frame(TEXT, b"y"), 1007),
        (frame(TEXT, b"\xc3", fin=False) + frame(0, b"x"), 1007),
        (frame(TEXT, b"x" * 101), 1009),
        (frame(BINARY, b"x" * 300), 1009),
        (frame(BINARY, b"x" * 70_000), 1009),
        (frame(BINARY, b"x" * 60, fin=False) + frame(0, b"x" * 41), 1009),
        (b"\x82\xff" + b"\xff" * 8 + MASK, 1009),
    ],
)
def test_what_breaks_the_protocol_is_refused_with_its_code(data: bytes, code: int) -> None:
    with pytest.raises(FrameError) as found:
        read(data, limit=100)
    assert found.value.code == code


def test_what_is_no_compressed_message_or_too_large_when_inflated_is_refused() -> None:
    with pytest.raises(FrameError) as found:
        read(frame(TEXT, b"\xff\xff\xff", rsv=4), deflate=True)
    assert found.value.code == 1007
    with pytest.raises(FrameError) as found:
        read(frame(TEXT, squeezed(b"x" * 100_000), rsv=4), deflate=True)
    assert found.value.code == 1009
    with pytest.raises(FrameError) as found:
        read(frame(TEXT, b"a", fin=False) + frame(0, b"b", rsv=4), deflate=True)
    assert found.value.code == 1002


def test_a_message_cannot_be_cut_into_frames_without_end() -> None:
    stream = frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) * MAX_FRAGMENTS
    with pytest.raises(FrameError) as found:
        read(stream)
    assert found.value.code == 1009


def test_a_limit_below_the_short_form_holds_there_too() -> None:
    assert read(frame(TEXT, b"x" * 10), limit=10) == ["x" * 10]
    with pytest.raises(FrameError) as found:
        read(frame(TEXT, b"x" * 11), limit=10)
    assert found.value.code == 1009


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waits_for_more_and_never_crashes(data: bytes) -> None:
    try:
        read(data, deflate=True, pieces=[random.Random(1).randint(0, 100)])
    except FrameError as error:
        assert error.code in (1002, 1007, 1009)


@pytest.mark.parametrize("size", [0, 125, 126, 200, 65_535, 65_536])
def test_a_head_may_be_cut_anywhere(size: int) -> None:
    stream = frame(BINARY, b"x" * size)

    assert read(stream, limit=100_000, pieces=range(1, 16)) == [b"x" * size]


@pytest.mark.parametrize("tiny", [frame(PING), frame(TEXT, b"a")])
def test_a_read_full_of_tiny_frames_is_looked_at_in_turns(tiny: bytes) -> None:
    reader = FrameReader(LIMIT)
    reader.feed(tiny * TURN_FRAMES * 2)

    found: list[int] = []
    while not found or found[-1]:
        reader.spent = 0
        found.append(0)
        while reader.next() is not None:
            found[-1] += 1

    assert found == [TURN_FRAMES, TURN_FRAMES, 0]


def test_fragments_without_end_are_looked_at_in_turns_too() -> None:
    reader = FrameReader(LIMIT)
    reader.feed(frame(TEXT, b"", fin=False) + frame(0, b"a", fin=False) * TURN_FRAMES + frame(0, b"b"))

    assert reader.next() is None
    assert reader.spent == TURN_FRAMES
    reader.spent = 0

    assert reader.next() == "a" * TURN_FRAMES + "b"
