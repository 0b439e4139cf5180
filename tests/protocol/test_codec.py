"""The codec: what is encoded comes back, what is no message is refused by name, decoders survive any bytes."""

from __future__ import annotations

import collections
import enum
import math
import threading
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.compiled import interpreted
from trunkline.protocol import codec, operations, records, values
from trunkline.protocol.errors import CodecError, MessageError
from trunkline.protocol.messages import MAX_EVENTS_PER_ENTRY, DeadLetterRecord, Entry, LeaseInfo
from trunkline.protocol.names import (
    CONNECT,
    RECEIVE,
    ChannelName,
    ConnectionId,
    GroupName,
    InterfaceId,
    reply_name,
)

CONNECTION = ConnectionId("AbCdEfGhIjKlMnOpQrSt")
GROUP = GroupName("chat-räume")
REPLY = reply_name(InterfaceId("i0123456789ab"), CONNECTION)
WORK = ChannelName("work")
LEASE = LeaseInfo("w1", "worker", "höst", 17, "127.0.0.1:9000", "0.1.0", 1.5, "chat.routing")
LETTER = DeadLetterRecord("1-0", "error", RECEIVE, b"\x01\xff", "r", "E: x", "Trace", 2, "w1", b"", 3.25)

TEXT = st.text()  # hypothesis leaves lone surrogates out of text() unless asked for them
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXT | st.binary()
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXT | st.binary() | st.integers(0, 99), inner, max_size=4)
    ),
    max_leaves=12,
)
CONTENTS = st.dictionaries(TEXT, VALUES, max_size=5)
FRAMES = st.lists(TEXT | st.binary(), min_size=1, max_size=MAX_EVENTS_PER_ENTRY)
PAYLOADS = TEXT | st.binary() | CONTENTS
REPLIES = st.none() | st.just(REPLY)
PATHS = st.none() | TEXT
SEQS = st.integers(-1, 2**31 - 1)

OPERATIONS: list[Any] = [
    codec.encode_release(CONNECTION, 17, ["hi"]),
    codec.encode_send(CONNECTION, -1, {"close": True}),
    codec.encode_group_send(GROUP, b"\x00"),
    codec.encode_group_add(GROUP, CONNECTION),
    codec.encode_group_discard(GROUP, CONNECTION),
]
VALID = [
    codec.encode_entry(Entry(RECEIVE, REPLY, "/chat", 17, ["hi", b"\x00"])),
    codec.encode_entry(Entry(CONNECT, REPLY, "/chat", 0, [{"headers": [["a", "b"]]}])),
    codec.encode_mailbox(OPERATIONS),
    codec.encode_session({"room": "x"}),
    codec.encode_lease(LEASE),
    codec.encode_dead_letter(LETTER),
]
DECODERS: list[Callable[[bytes], Any]] = [
    lambda raw: codec.decode_entry(RECEIVE, raw),
    lambda raw: codec.decode_entry(CONNECT, raw),
    codec.decode_mailbox,
    codec.decode_session,
    codec.decode_lease,
    lambda raw: codec.decode_dead_letter("1-0", raw),
]


def same(one: Any, other: Any) -> bool:
    """Equal, of equal types, with NaN equal to itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def nested(levels: int) -> Any:
    value: Any = "bottom"
    for _ in range(levels):
        value = [value]
    return value


# ---- round trips ----


@given(REPLIES, PATHS, SEQS, FRAMES)
def test_an_entry_of_frames_comes_back_as_it_was(
    reply: Any, path: str | None, seq: int, events: list[Any]
) -> None:
    entry = Entry(RECEIVE, reply, path, seq, events)
    decoded = codec.decode_entry(RECEIVE, codec.encode_entry(entry))
    assert same(decoded, entry) and type(decoded) is Entry


@given(REPLIES, PATHS, SEQS, st.lists(CONTENTS, min_size=1, max_size=3), st.none() | TEXT)
def test_an_entry_of_contents_comes_back_as_it_was(
    reply: Any, path: str | None, seq: int, events: list[Any], message_id: str | None
) -> None:
    entry = Entry(WORK, reply, path, seq, events, message_id)
    assert same(codec.decode_entry(WORK, codec.encode_entry(entry)), entry)


def test_an_entry_of_frames_may_have_an_id_too() -> None:
    entry = Entry(RECEIVE, REPLY, "/", 1, ["a"], "id-1")
    assert codec.decode_entry(RECEIVE, codec.encode_entry(entry)) == entry


def test_an_entry_that_was_tried_keeps_its_count() -> None:
    entry = Entry(RECEIVE, REPLY, "/", -1, ["a"], "id-1", 2)
    assert codec.decode_entry(RECEIVE, codec.encode_entry(entry)) == entry


@pytest.mark.parametrize(
    "entry",
    [
        Entry(RECEIVE, REPLY, "/", -1, ["a"], None, 1),
        Entry(RECEIVE, REPLY, "/", -1, ["a", "b"], "id", 1),
        Entry(RECEIVE, REPLY, "/", -1, ["a"], "id", -1),
    ],
)
def test_an_entry_that_was_tried_has_one_event_and_an_id(entry: Entry) -> None:
    with pytest.raises(MessageError, match="one event and an id"):
        codec.encode_entry(entry)


@given(st.lists(st.lists(PAYLOADS, max_size=3), max_size=8), SEQS)
def test_the_operations_of_a_mailbox_entry_come_back_in_order(releases: list[list[Any]], seq: int) -> None:
    chunks = [codec.encode_release(CONNECTION, seq, payloads) for payloads in releases]
    decoded = codec.decode_mailbox(codec.encode_mailbox(chunks))
    assert same(list(decoded), [[codec.RELEASE, CONNECTION, seq, payloads] for payloads in releases])


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ([codec.encode_text_release(CONNECTION, 1, "a")] * 2, True),
        ([codec.encode_text_release(CONNECTION, 1, "a")], False),  # nothing is gained with one
        ([codec.encode_text_release(CONNECTION, 1, "a"), codec.encode_release(CONNECTION, 1, [b"a"])], False),
        ([codec.encode_release(CONNECTION, 1, []), codec.encode_text_release(CONNECTION, 1, "a")], False),
        (
            [codec.encode_text_release(CONNECTION, 1, "a"), codec.encode_release(CONNECTION, 1, ["a"] * 2)],
            False,
        ),
        ([codec.encode_text_release(CONNECTION, 1, "a"), codec.encode_send(CONNECTION, 1, "a")], False),
        ([codec.encode_group_send(GROUP, "a"), codec.encode_text_release(CONNECTION, 1, "a")], False),
    ],
)
def test_several_releases_of_one_text_are_said_to_be_nothing_else(chunks: list[bytes], said: bool) -> None:
    assert (type(codec.decode_mailbox(codec.encode_mailbox(chunks))) is codec.TextReleases) is said


@given(PAYLOADS, SEQS)
def test_every_kind_of_operation_comes_back_as_it_was(payload: Any, seq: int) -> None:
    chunks = [
        codec.encode_send(CONNECTION, seq, payload),
        codec.encode_group_send(GROUP, payload),
        codec.encode_group_add(GROUP, CONNECTION),
        codec.encode_group_discard(GROUP, CONNECTION),
    ]
    assert same(
        codec.decode_mailbox(codec.encode_mailbox(chunks)),
        [
            [codec.SEND, CONNECTION, seq, payload],
            [codec.GROUP_SEND, GROUP, payload],
            [codec.GROUP_ADD, GROUP, CONNECTION],
            [codec.GROUP_DISCARD, GROUP, CONNECTION],
        ],
    )


def test_a_mailbox_entry_larger_than_the_kept_buffer_comes_back_too() -> None:
    chunks = [codec.encode_release(CONNECTION, seq, ["x" * 1000]) for seq in range(100)]
    raw = codec.encode_mailbox(chunks)
    assert len(raw) > operations.MAX_KEPT_BYTES
    assert [operation[2] for operation in codec.decode_mailbox(raw)] == list(range(100))


@given(CONTENTS)
def test_a_session_comes_back_as_it_was(session: dict[str, Any]) -> None:
    assert same(codec.decode_session(codec.encode_session(session)), session)


def test_no_bytes_are_an_empty_session() -> None:
    assert codec.decode_session(b"") == {}


@given(TEXT, st.integers(0, 2**31), st.floats(allow_nan=False))
def test_a_lease_comes_back_as_it_was(text: str, pid: int, started_s: float) -> None:
    info = LeaseInfo("i1", "interface", text, pid, text, "0.1", started_s, text)
    assert codec.decode_lease(codec.encode_lease(info)) == info


@given(st.binary(), TEXT, st.integers(1, 9))
def test_a_dead_letter_comes_back_as_it_was(body: bytes, text: str, attempt: int) -> None:
    record = DeadLetterRecord("5-1", "error", WORK, body, text, text, text, attempt, "w1", body, 1.0)
    assert codec.decode_dead_letter("5-1", codec.encode_dead_letter(record)) == record


def test_a_dead_letter_is_kept_even_if_its_traceback_quotes_a_lone_surrogate() -> None:
    record = LETTER._replace(traceback="ValueError: \ud800")
    assert (
        codec.decode_dead_letter("1-0", codec.encode_dead_letter(record)).traceback == r"ValueError: \ud800"
    )


def test_a_time_that_another_language_packed_as_an_integer_is_read_as_a_float() -> None:
    raw = codec.encode_lease(LEASE._replace(started_s=2))
    assert same(codec.decode_lease(raw), LEASE._replace(started_s=2.0))


class _Colour(enum.StrEnum):
    RED = "red"


def test_tuples_become_lists_bytearrays_bytes_and_subclasses_their_base() -> None:
    ordered = collections.OrderedDict(a=1)
    content = {
        "t": (1, (2,)),
        "b": bytearray(b"x"),
        "e": _Colour.RED,
        "o": ordered,
        "n": LEASE,
        "k": {True: 0},
    }
    raw = codec.encode_entry(Entry(WORK, None, None, 0, [content]))
    expected = {"t": [1, [2]], "b": b"x", "e": "red", "o": {"a": 1}, "n": list(LEASE), "k": {True: 0}}
    assert same(codec.decode_entry(WORK, raw).events, [expected])
    raw = codec.encode_entry(Entry(RECEIVE, None, None, 0, [bytearray(b"x"), _Colour.RED]))
    assert same(codec.decode_entry(RECEIVE, raw).events, [b"x", "red"])
    sent = codec.decode_mailbox(codec.encode_mailbox([codec.encode_send(CONNECTION, 1, bytearray(b"x"))]))
    assert same(sent[0][3], b"x")


# ---- what is no message ----

UNSENDABLE: list[tuple[Any, str]] = [
    ({"a": {(1, 2): 3}}, r"['a'] has the key (1, 2); expected str, bytes or int keys"),
    ({"a": {None: 3}}, r"['a'] has the key None; expected str, bytes or int keys"),
    ({"a": {1.5: 3}}, r"['a'] has the key 1.5; expected str, bytes or int keys"),
    ({"a": {2**64: 3}}, r"['a'] has a key that is an integer of 65 bits; expected at most 64"),
    ({"a": [1, {2}]}, r"['a'][1] is a set; expected str, bytes, int, float, bool, None, list or dict"),
    ({"a": (object(),)}, r"['a'][0] is a object; expected"),
    ({"a": 2**64}, r"['a'] is an integer of 65 bits; expected at most 64"),
    ({"a": -(2**63) - 1}, r"['a'] is an integer of 64 bits; expected at most 64"),
    ({"a": 10**5000}, r"['a'] is an integer of 16610 bits; expected at most 64"),
    ({"a": ["x", "\ud800"]}, r"['a'][1] is the str '\ud800' whose character 0 is a lone surrogate"),
    (
        {"a": {"x\ud800": 1}},
        r"['a'] has a key that is the str 'x\ud800' whose character 1 is a lone surrogate",
    ),
    ({"a": nested(16)}, "is nested deeper than 16 levels"),
    ({"a": [0] * 65_537}, "['a'] has 65537 items; expected at most 65536"),
    ({"a": dict.fromkeys(range(65_537))}, "['a'] has 65537 keys; expected at most 65536"),
    ({"a": msgpack.ExtType(1, b"x")}, "['a'] is a ExtType; expected"),
    ({"a": msgpack.Timestamp(1)}, "['a'] is a Timestamp; expected"),
    ({"a": memoryview(b"x")}, "['a'] is a memoryview; expected"),
    ({1: 2}, "has the key 1; expected str keys"),
    ([1], "is a list; expected a dict"),
    (None, "is a NoneType; expected a dict"),
]


@pytest.mark.parametrize(("content", "text"), UNSENDABLE, ids=[text for _, text in UNSENDABLE])
def test_what_cannot_be_sent_is_refused_with_its_place_by_every_encoder(content: Any, text: str) -> None:
    encoders: list[tuple[str, Callable[[], bytes]]] = [
        ("message", lambda: codec.encode_entry(Entry(WORK, None, None, 0, [content]))),
        ("message", lambda: codec.encode_release(CONNECTION, 1, ["first", content])),
        ("message", lambda: codec.encode_release(CONNECTION, 1, [content])),
        ("message", lambda: codec.encode_send(CONNECTION, 1, content)),
        ("message", lambda: codec.encode_group_send(GROUP, content)),
        ("channel_session", lambda: codec.encode_session(content)),
    ]
    for what, encode in encoders:
        with pytest.raises(MessageError) as caught:
            encode()
        assert text in str(caught.value) and str(caught.value).startswith(what)


@given(st.text(st.characters(codec=None)), SEQS)
def test_a_release_with_one_text_is_encoded_or_refused_as_any_release(text: str, seq: int) -> None:
    def outcome(encode: Callable[[], bytes]) -> bytes | str:
        try:
            return encode()
        except MessageError as error:
            return str(error)

    short = outcome(lambda: codec.encode_text_release(CONNECTION, seq, text))
    assert short == outcome(lambda: codec.encode_release(CONNECTION, seq, [text]))


def test_a_lone_surrogate_in_a_text_is_refused_with_its_place() -> None:
    with pytest.raises(MessageError, match=r"message\[0\].*character 1 is a lone surrogate"):
        codec.encode_text_release(CONNECTION, 1, "a\ud800")


def test_content_of_exactly_the_bounds_is_taken() -> None:
    content = {"deep": nested(15), "wide": [0] * 65_536, "big": 2**64 - 1, "small": -(2**63)}
    raw = codec.encode_entry(Entry(WORK, None, None, 0, [content]))
    assert codec.decode_entry(WORK, raw).events == [content]


def test_content_that_holds_itself_is_refused() -> None:
    content: dict[str, Any] = {}
    content["me"] = content
    with pytest.raises(MessageError, match="nested deeper"):
        codec.encode_session(content)


@pytest.mark.parametrize("event", [{"text": "a"}, None, 1, ["a"], memoryview(b"x")])
def test_what_is_no_frame_is_refused_on_the_receive_channel(event: Any) -> None:
    with pytest.raises(MessageError, match=f"is a {type(event).__name__}; expected str or bytes"):
        codec.encode_entry(Entry(RECEIVE, REPLY, "/", 1, ["fine", event]))


@pytest.mark.parametrize("count", [0, MAX_EVENTS_PER_ENTRY + 1])
def test_an_entry_of_no_or_too_many_events_is_refused(count: int) -> None:
    with pytest.raises(MessageError, match=f"{count} events; expected 1 to 32"):
        codec.encode_entry(Entry(RECEIVE, REPLY, "/", 1, ["x"] * count))


def test_a_frame_with_a_lone_surrogate_is_refused_and_leaves_nothing_behind() -> None:
    good = Entry(RECEIVE, REPLY, "/", 1, ["good"])
    before = codec.encode_entry(good), codec.encode_release(CONNECTION, 1, ["good"])
    for events in (["x\ud800"], ["a", "x\ud800"]):
        with pytest.raises(MessageError, match="character 1 is a lone surrogate"):
            codec.encode_entry(Entry(RECEIVE, REPLY, "/", 1, events))
        with pytest.raises(MessageError, match="character 1 is a lone surrogate"):
            codec.encode_release(CONNECTION, 1, events)
    assert (codec.encode_entry(good), codec.encode_release(CONNECTION, 1, ["good"])) == before


def test_a_path_with_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(MessageError, match="lone surrogate"):
        codec.encode_entry(Entry(RECEIVE, REPLY, "/\udcff", 1, ["a"]))


@interpreted  # compiled code compares an int without asking its class
def test_a_value_that_only_msgpack_refuses_is_reported_in_its_words() -> None:
    with pytest.raises(MessageError, match="lease: Integer value out of range") as caught:
        values.pack((1, _Wide(2**70)), {"lease": _Wide(2**70)})
    assert isinstance(caught.value.__cause__, OverflowError)


class _Wide(int):
    """An int that hides its size from the checks."""

    def __ge__(self, other: int) -> bool:
        return True

    def __lt__(self, other: int) -> bool:
        return True


def test_a_message_larger_than_its_bound_is_refused_with_its_size() -> None:
    huge = "x" * codec.MAX_BODY_BYTES
    encoders: list[Callable[[], bytes]] = [
        lambda: codec.encode_entry(Entry(RECEIVE, REPLY, "/", 1, [huge])),
        lambda: codec.encode_entry(Entry(RECEIVE, REPLY, "/", 1, ["a", huge])),
        lambda: codec.encode_session({"a": huge}),
    ]
    for encode in encoders:
        with pytest.raises(
            MessageError, match=f"has 1677.... bytes when packed; expected less than {codec.MAX_BODY_BYTES}"
        ):
            encode()


def test_a_map_is_plain_only_if_a_closer_look_finds_nothing_either() -> None:
    for content, _ in UNSENDABLE:
        big = isinstance(content, dict) and any(type(value) is int for value in content.values())
        assert not values.is_plain(content) or big, "only the size of an int is left to the packer"
    assert not values.is_plain(dict.fromkeys(map(str, range(65_537))))
    assert not values.is_plain({"a": []}) and not values.is_plain(collections.OrderedDict(a=1))
    assert values.is_plain({"s": "x", "b": b"x", "i": 1, "f": 1.5, "t": True, "n": None}) and values.is_plain(
        {}
    )


def test_explain_finds_nothing_wrong_with_what_can_be_sent() -> None:
    for leaf in ("x", b"", bytearray(), 1.5, None, True, 2**64 - 1):
        assert codec.explain(leaf, "content") is None and values.fault(leaf) is None
    assert codec.explain({"a": [1, "x", b"", None, 1.5, {"b": True}]}, "content") is None
    assert codec.explain({"a": {1}}, "content") == (
        "content['a'] is a set; expected str, bytes, int, float, bool, None, list or dict"
    )


def test_threads_that_encode_at_the_same_time_do_not_mix_their_bytes() -> None:
    # given: a dict whose items() lets another thread encode in the middle
    inside, done = threading.Event(), threading.Event()

    class Slow(dict[str, Any]):
        def items(self) -> Any:
            if threading.current_thread() is not threading.main_thread() and packing:
                inside.set()
                assert done.wait(10)
            return super().items()

    packing = False
    slow = Slow(a=1)
    found: list[bytes] = []

    def encode() -> None:
        found.append(values.pack({"x": slow}, {}))

    packing = True
    thread = threading.Thread(target=encode)
    thread.start()
    assert inside.wait(10)
    # when
    mine = values.pack({"y": 2}, {})
    done.set()
    thread.join()
    # then
    assert msgpack.unpackb(mine) == {"y": 2} and msgpack.unpackb(found[0]) == {"x": {"a": 1}}


# ---- what is no bytes of ours ----


@pytest.mark.parametrize("decode", DECODERS)
@given(raw=st.binary(max_size=80), versioned=st.booleans())
def test_decoders_raise_nothing_but_a_codec_error_with_the_bytes(
    decode: Callable[[bytes], Any], raw: bytes, versioned: bool
) -> None:
    raw = values.VERSION_BYTE + raw if versioned else raw
    try:
        decode(raw)
    except CodecError as error:
        assert error.raw == raw


@given(st.sampled_from(list(zip(VALID, [*DECODERS], strict=True))), st.data())
def test_mutated_bytes_decode_to_something_or_raise_a_codec_error(
    pair: tuple[bytes, Any], data: st.DataObject
) -> None:
    valid, decode = pair
    raw = bytearray(valid)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        assume(raw)
    try:
        decode(bytes(raw))
    except CodecError as error:
        assert error.raw == bytes(raw)


@given(st.sampled_from(VALID), st.integers(0, 60))
def test_a_mailbox_decodes_the_same_after_bytes_that_were_none(raw: bytes, cut: int) -> None:
    good = codec.encode_mailbox(OPERATIONS)
    try:
        codec.decode_mailbox(raw[:cut])
    except CodecError as error:
        assert error.raw == raw[:cut]
    assert len(codec.decode_mailbox(good)) == len(OPERATIONS)


def msgpacked(value: Any) -> bytes:
    raw: Any = msgpack.packb(value)
    return bytes(raw)


def packed(value: Any) -> bytes:
    return values.VERSION_BYTE + msgpacked(value)


NO_ENTRIES: list[tuple[ChannelName, Any]] = [
    (RECEIVE, {}),
    (RECEIVE, [REPLY, "/", 1]),
    (RECEIVE, [REPLY, "/", 1, ["a"], "id", "more"]),
    (RECEIVE, [REPLY, "/", 1, ["a"], "id", 0]),
    (RECEIVE, [REPLY, "/", 1, ["a"], None, 1]),
    (RECEIVE, [REPLY, "/", 1, ["a", "b"], "id", 1]),
    (RECEIVE, [REPLY, "/", 1, ["a"], "id", 1, "more"]),
    (RECEIVE, [REPLY, "/", 1, ["a"], None]),
    (RECEIVE, [1, "/", 1, ["a"]]),
    (RECEIVE, [REPLY, 1, 1, ["a"]]),
    (RECEIVE, [REPLY, "/", "1", ["a"]]),
    (RECEIVE, [REPLY, "/", True, ["a"]]),
    (RECEIVE, [REPLY, "/", 1, "a"]),
    (RECEIVE, [REPLY, "/", 1, []]),
    (RECEIVE, [REPLY, "/", 1, ["a"] * 33]),
    (RECEIVE, [REPLY, "/", 1, ["a", 1]]),
    (RECEIVE, [REPLY, "/", 1, [{"text": "a"}]]),
    (WORK, [REPLY, "/", 1, ["a"]]),
    (WORK, [REPLY, "/", 1, [{1: 2}]]),
    (WORK, [REPLY, "/", 1, [{"a": {None: 2}}]]),
    (WORK, [REPLY, "/", 1, [{"a": nested(16)}]]),
    (WORK, [REPLY, "/", 1, [{"a": msgpack.ExtType(1, b"x")}]]),
    (WORK, [REPLY, "/", 1, [{"a": msgpack.Timestamp(1)}]]),
]


@pytest.mark.parametrize(("channel", "value"), NO_ENTRIES)
def test_what_is_no_entry_is_refused_with_its_bytes(channel: ChannelName, value: Any) -> None:
    with pytest.raises(CodecError, match="an entry") as caught:
        codec.decode_entry(channel, packed(value))
    assert caught.value.raw == packed(value)


NO_OPERATIONS: list[Any] = [
    1,
    [],
    [codec.RELEASE],
    [codec.RELEASE, CONNECTION, 1, [], 5],
    [True, CONNECTION, 1, ["a"]],
    [codec.RELEASE, 1, 1, ["a"]],
    [codec.RELEASE, CONNECTION, "1", ["a"]],
    [codec.RELEASE, CONNECTION, 1, "a"],
    [codec.RELEASE, CONNECTION, 1, ["a", 1]],
    [codec.SEND, CONNECTION, 1, None],
    [codec.SEND, CONNECTION, 1, {1: 2}],
    [codec.SEND, CONNECTION, 1, {"a": nested(16)}],
    [9, CONNECTION, 1, "a"],
    [9, CONNECTION, "a"],
    [True, CONNECTION, "a"],
    [codec.GROUP_SEND, 1, "a"],
    [codec.GROUP_SEND, GROUP, 1],
    [codec.GROUP_ADD, GROUP, 1],
    [codec.GROUP_DISCARD, GROUP, b"x"],
]


@pytest.mark.parametrize("value", NO_OPERATIONS)
def test_a_mailbox_entry_with_one_wrong_operation_is_refused_whole(value: Any) -> None:
    raw = codec.encode_mailbox([*OPERATIONS, msgpacked(value)])
    with pytest.raises(CodecError, match="no operation") as caught:
        codec.decode_mailbox(raw)
    assert caught.value.raw == raw
    assert codec.decode_mailbox(codec.encode_mailbox([])) == []


def test_a_mailbox_entry_that_ends_within_an_operation_is_refused() -> None:
    for chunks in ([OPERATIONS[0]], OPERATIONS):
        with pytest.raises(CodecError, match="it ends within an operation"):
            codec.decode_mailbox(codec.encode_mailbox(chunks)[:-1])


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("raw", [b"\x02\x90", b"\x00"])
def test_bytes_of_another_version_are_refused_as_such(decode: Callable[[bytes], Any], raw: bytes) -> None:
    with pytest.raises(CodecError, match="first byte 1, the version"):
        decode(raw)


def test_a_session_that_is_no_map_or_has_other_keys_is_refused() -> None:
    wrong: list[Any] = [[], "a", {1: 2}, {"a": {None: 1}}]
    for value in wrong:
        with pytest.raises(CodecError, match="a session"):
            codec.decode_session(packed(value))


@pytest.mark.parametrize(
    "value", [{}, list(LEASE)[1:], list(LEASE)[:6], [1, *LEASE[1:]], [*LEASE[:6], "x", ""]]
)
def test_what_is_no_lease_or_dead_letter_is_refused_with_the_expected_types(value: Any) -> None:
    with pytest.raises(CodecError, match=r"a lease: \[str, str, str, int, str, str, float, str, str, str\]"):
        codec.decode_lease(packed(value))
    with pytest.raises(CodecError, match=r"a dead letter: \[str, str, bytes, str, "):
        codec.decode_dead_letter("1-0", packed(value))


def test_a_record_of_an_older_or_newer_version_is_read_as_far_as_both_know_it() -> None:
    older = LEASE._replace(detail="", code="")
    assert codec.decode_lease(packed(list(LEASE)[:7])) == older
    assert codec.decode_lease(packed([*LEASE, "what comes later"])) == LEASE
    assert codec.decode_dead_letter("1-0", packed(list(LETTER)[1:11])) == LETTER


def test_bytes_beyond_the_bound_are_refused_before_they_are_unpacked() -> None:
    raw = b"\x01" + b"\xc0" * codec.MAX_BODY_BYTES
    for decode in (lambda: codec.decode_session(raw), lambda: codec.decode_entry(WORK, raw)):
        with pytest.raises(CodecError, match=f"of at most {codec.MAX_BODY_BYTES} bytes"):
            decode()


def test_a_dead_letter_may_hold_garbage_larger_than_any_entry() -> None:
    record = LETTER._replace(body=b"\x00" * (codec.MAX_BODY_BYTES + 1))
    assert codec.decode_dead_letter("1-0", codec.encode_dead_letter(record)) == record
    assert records.MAX_DEAD_LETTER_BYTES > codec.MAX_BODY_BYTES


def test_too_many_items_and_too_deep_nesting_are_refused() -> None:
    wide, deep = b"\x01\xdd\x00\x01\x00\x01" + b"\xc0" * 65_537, b"\x01" + b"\x91" * 5_000
    for raw in (wide, deep):
        for decode in DECODERS:
            with pytest.raises(CodecError):
                decode(raw)
