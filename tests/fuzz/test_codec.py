"""Decoders of the wire contract: any bytes give what encodes again, or `CodecError` with the very bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.bytes_ import contents, corpus, mutated, packed, values
from trunkline.protocol import codec
from trunkline.protocol.errors import CodecError, MessageError
from trunkline.protocol.names import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    REQUEST,
    ChannelName,
    ConnectionId,
    GroupName,
)

REPLY = "reply.i0123456789ab!AbCdEfGhIjKlMnOpQrSt"
channels = st.sampled_from([RECEIVE, CONNECT, DISCONNECT, REQUEST, ChannelName("jobs")])
entry_parts = st.tuples(
    st.sampled_from([REPLY, None, "reply.x!y", "nonsense", 7]),
    st.sampled_from(["/", "/chat/\0", None, 1]),
    st.one_of(st.integers(-3, 2**64 - 1), values),
    st.one_of(
        st.lists(st.one_of(st.text(max_size=9), st.binary(max_size=9), contents, values), max_size=4), values
    ),
)
entries = st.one_of(
    packed(entry_parts.map(list)),
    packed(st.tuples(entry_parts, st.lists(values, max_size=3)).map(lambda both: [*both[0], *both[1]])),
    st.sampled_from(corpus("entry")),
)


def same(one: Any, two: Any) -> bool:
    """Equal, where a NaN equals itself."""
    return bool(one == two) or repr(one) == repr(two)


@given(channels, mutated(entries))
def test_an_entry(channel: ChannelName, raw: bytes) -> None:
    try:
        entry = codec.decode_entry(channel, raw)
    except CodecError as error:
        assert error.raw == raw
        return
    again = codec.decode_entry(channel, codec.encode_entry(entry))
    assert same(again, entry)


operation = st.one_of(
    st.tuples(
        st.sampled_from([1, 2]), st.text(max_size=9), st.integers(-1, 99), st.one_of(contents, values)
    ).map(list),
    st.tuples(
        st.just(1), st.text(max_size=9), st.integers(0, 9), st.lists(st.one_of(contents, values), max_size=3)
    ).map(list),
    st.tuples(st.integers(0, 6), st.text(max_size=9), st.one_of(st.text(max_size=9), contents, values)).map(
        list
    ),
    values,
)
mailboxes = st.one_of(
    st.lists(packed(operation).map(lambda body: body[1:]), max_size=5).map(
        lambda chunks: b"\x01" + b"".join(chunks)
    ),
    st.sampled_from(corpus("mailbox")),
)
GOOD = codec.encode_mailbox([codec.encode_send(ConnectionId("c"), -1, "good")])


@given(st.lists(mutated(mailboxes), min_size=1, max_size=4))
def test_a_mailbox_entry_leaves_nothing_behind_for_the_next(raws: list[bytes]) -> None:
    for raw in raws:
        try:
            operations = codec.decode_mailbox(raw)
        except CodecError as error:
            assert error.raw == raw
        else:
            assert all(type(item) is list and item[0] in range(1, codec.MARK + 1) for item in operations)
        # They share an unpacker: what one of them ended in must not be read as the next one's begin.
        assert codec.decode_mailbox(GOOD) == [[codec.SEND, "c", -1, "good"]]


anything = st.one_of(
    contents, values, st.lists(st.integers(), max_size=3).map(tuple), st.just({1, 2}), st.just(object())
)


@given(anything, st.integers(-1, 2**31))
def test_whatever_an_encoder_takes_a_mailbox_reader_takes_too(payload: Any, seq: int) -> None:
    # One operation that cannot be read would take those of others down, which a commit joined with it.
    made = []
    encoders: list[Callable[[], bytes]] = [
        lambda: codec.encode_release(ConnectionId("c"), seq, [payload]),
        lambda: codec.encode_send(ConnectionId("c"), seq, payload),
        lambda: codec.encode_group_send(GroupName("g"), payload),
    ]
    for encode in encoders:
        try:
            made.append(encode())
        except MessageError:
            continue
    assert len(codec.decode_mailbox(codec.encode_mailbox(made))) == len(made)


@pytest.mark.parametrize("kind", ["session", "lease", "dead_letter"])
def test_the_corpus_has_each_kind(kind: str) -> None:
    assert corpus(kind)


@given(mutated(st.one_of(packed(values), packed(contents), st.sampled_from(corpus("session")))))
def test_a_session(raw: bytes) -> None:
    try:
        session = codec.decode_session(raw)
    except CodecError as error:
        assert error.raw == raw
        return
    assert same(codec.decode_session(codec.encode_session(session)), session)


@given(mutated(st.one_of(packed(st.lists(values, max_size=16)), st.sampled_from(corpus("lease")))))
def test_a_lease(raw: bytes) -> None:
    try:
        lease = codec.decode_lease(raw)
    except CodecError as error:
        assert error.raw == raw
        return
    assert same(codec.decode_lease(codec.encode_lease(lease)), lease)


@given(mutated(st.one_of(packed(st.lists(values, max_size=20)), st.sampled_from(corpus("dead_letter")))))
def test_a_dead_letter(raw: bytes) -> None:
    try:
        letter = codec.decode_dead_letter("1-0", raw)
    except CodecError as error:
        assert error.raw == raw
        return
    assert same(codec.decode_dead_letter("1-0", codec.encode_dead_letter(letter)), letter)
