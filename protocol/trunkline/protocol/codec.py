"""Bytes of the wire contract: entries, mailbox operations, sessions and dead letters.

Everything is one version byte and then msgpack (https://github.com/msgpack/msgpack/blob/master/spec.md). The shapes
are specified in ``protocol/README.md``; ``vectors.json`` beside it holds examples another language can test against.
Decoders bound sizes and nesting and never raise anything but `CodecError`, which carries the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgpack

from .errors import CodecError, MessageError
from .messages import MAX_EVENTS_PER_ENTRY, DeadLetterRecord, Entry, LeaseInfo
from .names import RECEIVE, ChannelName, ConnectionId, GroupName

VERSION = 1
_VERSION_BYTE = bytes((VERSION,))

MAX_BODY_BYTES = 16 * 1024 * 1024
"""No entry, session or dead letter is larger; the tiers' own settings are far below."""
MAX_DEPTH = 16
MAX_ITEMS = 65_536
"""Items in one array or map."""

# Mailbox operations. Their numbers are the wire contract's.
RELEASE = 1
SEND = 2
GROUP_SEND = 3
GROUP_ADD = 4
GROUP_DISCARD = 5
_OPERATION_LENGTHS = {RELEASE: 4, SEND: 4, GROUP_SEND: 3, GROUP_ADD: 3, GROUP_DISCARD: 3}

# One packer for the process: packing is synchronous and a packer resets itself after each pack.
_packer = msgpack.Packer(autoreset=True, use_bin_type=True)
_pack = _packer.pack


def _pack_or_explain(value: Any, what: str) -> bytes:
    try:
        return _VERSION_BYTE + _pack(value)
    except (TypeError, ValueError, OverflowError, UnicodeEncodeError) as error:
        # A failed pack leaves half a value behind (msgpack-python documents Packer.reset for it).
        _packer.reset()
        raise MessageError(f"{what}: {explain(value) or error}") from error


def explain(value: Any, where: str = "", depth: int = 0) -> str | None:
    """Names the first part of a value that msgpack cannot hold, or None if all of it can be held.

    Args:
        value: what somebody wants to store or send.
        where: path to it, for the text.
        depth: how deep it stands already.
    """
    if depth > MAX_DEPTH:
        return f"{where} is nested deeper than {MAX_DEPTH} levels"
    if value is None or isinstance(value, (bool, float, bytes, bytearray)):
        return None
    if isinstance(value, int):
        return None if -(2**63) <= value < 2**64 else f"{where} is the integer {value}, which has more than 64 bits"
    if isinstance(value, str):
        return _explain_str(value, where)
    if isinstance(value, dict):
        return _explain_dict(value, where, depth)
    if isinstance(value, (list, tuple)):
        return _first(explain(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value))
    return f"{where} is a {type(value).__name__}; expected str, bytes, int, float, bool, None, list or dict"


def _explain_str(value: str, where: str) -> str | None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return f"{where} is a str with a lone surrogate, which UTF-8 cannot hold"
    return None


def _explain_dict(value: dict[Any, Any], where: str, depth: int) -> str | None:
    return _first(
        f"{where} has the key {key!r}; expected str, bytes or int keys"
        if not isinstance(key, (str, bytes, int))
        else explain(item, f"{where}[{key!r}]", depth + 1)
        for key, item in value.items()
    )


def _first(texts: Iterable[str | None]) -> str | None:
    return next((text for text in texts if text is not None), None)


def _too_deep(value: Any, depth: int = 0) -> bool:
    if isinstance(value, dict):
        return depth >= MAX_DEPTH or any(_too_deep(item, depth + 1) for item in value.values())
    if isinstance(value, list):
        return depth >= MAX_DEPTH or any(_too_deep(item, depth + 1) for item in value)
    return False


def _unpack(raw: bytes, expected: str) -> Any:
    if not raw or raw[0] != VERSION:
        raise CodecError(f"{expected} (first byte {VERSION}, the version)", raw)
    if len(raw) > MAX_BODY_BYTES:
        raise CodecError(f"{expected} of at most {MAX_BODY_BYTES} bytes", raw)
    try:
        value = msgpack.unpackb(
            memoryview(raw)[1:],
            strict_map_key=False,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_ITEMS,
        )
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise CodecError(f"{expected} ({error or type(error).__name__})", raw) from error
    return value


# ---- entries ----


def encode_entry(entry: Entry) -> bytes:
    """Encodes an entry: ``[reply, path, seq, events]``, with ``id`` behind where there is one.

    Raises:
        MessageError: an event holds what msgpack cannot; the text names the place.
    """
    _, reply, path, seq, events, message_id = entry
    if message_id is None:
        return _pack_or_explain((reply, path, seq, events), "message")
    return _pack_or_explain((reply, path, seq, events, message_id), "message")


def decode_entry(channel: ChannelName, raw: bytes) -> Entry:
    """Decodes an entry read from a channel's stream.

    Raises:
        CodecError: it is no entry; carries ``raw``.
    """
    value = _unpack(raw, "an entry")
    if type(value) is not list or not 4 <= len(value) <= 5:
        raise CodecError("an entry: an array [reply, path, seq, events] or [reply, path, seq, events, id]", raw)
    reply, path, seq, events = value[:4]
    message_id = value[4] if len(value) == 5 else None
    if not (
        (reply is None or type(reply) is str)
        and (path is None or type(path) is str)
        and type(seq) is int
        and type(events) is list
        and 1 <= len(events) <= MAX_EVENTS_PER_ENTRY
        and (message_id is None or type(message_id) is str)
    ):
        raise CodecError(f"an entry: [str|nil, str|nil, int, array of 1 to {MAX_EVENTS_PER_ENTRY}, (str)]", raw)
    _check_events(channel, events, raw)
    return Entry(channel, reply, path, seq, events, message_id)  # type: ignore[arg-type]


def _check_events(channel: ChannelName, events: list[Any], raw: bytes) -> None:
    if channel == RECEIVE:
        for event in events:
            if type(event) is not str and type(event) is not bytes:
                raise CodecError("an entry of websocket.receive: each event a str or bin", raw)
        return
    for event in events:
        if type(event) is not dict or not all(type(key) is str for key in event):
            raise CodecError("an entry: each event a map with str keys", raw)
        if _too_deep(event):
            raise CodecError(f"an entry: events nested at most {MAX_DEPTH} levels", raw)


# ---- mailbox operations: no version byte of their own, the mailbox entry they stand in has one ----


def encode_release(connection: ConnectionId, seq: int, payloads: list[Any]) -> bytes:
    """The entry that began with event ``seq`` is done; write ``payloads`` to the connection, then send the next.

    Raises:
        MessageError: a payload holds what msgpack cannot.
    """
    return _operation((RELEASE, connection, seq, payloads))


def encode_send(connection: ConnectionId, seq: int, payload: Any) -> bytes:
    """Write one payload to a connection.

    Args:
        connection: to whom.
        seq: of the entry in whose handling it was sent if that is the connection's own, so that a replay is dropped;
            -1 from elsewhere.
        payload: `Payload`.

    Raises:
        MessageError: the payload holds what msgpack cannot.
    """
    return _operation((SEND, connection, seq, payload))


def encode_group_send(group: GroupName, payload: Any) -> bytes:
    """Write one payload to every member of a group.

    Raises:
        MessageError: the payload holds what msgpack cannot.
    """
    return _operation((GROUP_SEND, group, payload))


def encode_group_add(group: GroupName, connection: ConnectionId) -> bytes:
    """Add a connection to a group."""
    return _operation((GROUP_ADD, group, connection))


def encode_group_discard(group: GroupName, connection: ConnectionId) -> bytes:
    """Take a connection out of a group."""
    return _operation((GROUP_DISCARD, group, connection))


def _operation(value: tuple[Any, ...]) -> bytes:
    try:
        packed: bytes = _pack(value)
    except (TypeError, ValueError, OverflowError, UnicodeEncodeError) as error:
        _packer.reset()
        raise MessageError(f"message: {explain(value[-1]) or error}") from error
    return packed


def encode_mailbox(chunks: Iterable[bytes]) -> bytes:
    """Joins encoded operations to the body of one mailbox entry."""
    return _VERSION_BYTE + b"".join(chunks)


def decode_mailbox(raw: bytes) -> list[list[Any]]:
    """Decodes a mailbox entry to its operations, each a list whose first item is its number.

    Raises:
        CodecError: it is no mailbox entry. What stands before the fault is not returned: a mailbox is written by our
            own scripts only, so a fault means that somebody else wrote it.
    """
    if not raw or raw[0] != VERSION:
        raise CodecError(f"a mailbox entry (first byte {VERSION}, the version)", raw)
    unpacker = msgpack.Unpacker(strict_map_key=False, max_array_len=MAX_ITEMS, max_map_len=MAX_ITEMS, max_buffer_size=0)
    unpacker.feed(memoryview(raw)[1:])
    try:
        operations = list(unpacker)
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise CodecError(f"a mailbox entry ({error or type(error).__name__})", raw) from error
    if unpacker.tell() != len(raw) - 1:
        raise CodecError("a mailbox entry that ends with a whole operation", raw)
    for operation in operations:
        if not _is_operation(operation):
            raise CodecError("mailbox operations as protocol/README.md lists them", raw)
    return operations


def _is_operation(value: Any) -> bool:
    if type(value) is not list or not value or type(value[0]) is not int:
        return False
    if _OPERATION_LENGTHS.get(value[0]) != len(value) or type(value[1]) is not str:
        return False
    number = value[0]
    if number == RELEASE:
        return type(value[2]) is int and type(value[3]) is list and all(map(_is_payload, value[3]))
    if number == SEND:
        return type(value[2]) is int and _is_payload(value[3])
    return _is_payload(value[2]) if number == GROUP_SEND else type(value[2]) is str


def _is_payload(value: Any) -> bool:
    kind = type(value)
    return kind is str or kind is bytes or (kind is dict and all(type(key) is str for key in value))


# ---- sessions, leases, dead letters ----


def encode_session(session: dict[str, Any]) -> bytes:
    """Encodes a channel session.

    Raises:
        MessageError: a value is of a type that cannot be stored; the text names the key.
    """
    return _pack_or_explain(session, "channel_session")


def decode_session(raw: bytes) -> dict[str, Any]:
    """Decodes a channel session; no bytes are an empty one.

    Raises:
        CodecError: it is no session.
    """
    if not raw:
        return {}
    value = _unpack(raw, "a session")
    if type(value) is not dict or not all(type(key) is str for key in value):
        raise CodecError("a session: a map with str keys", raw)
    return value


def encode_lease(info: LeaseInfo) -> bytes:
    """Encodes what a process tells about itself."""
    return _pack_or_explain(tuple(info), "lease")


def decode_lease(raw: bytes) -> LeaseInfo:
    """Decodes what a process tells about itself.

    Raises:
        CodecError: it is no lease.
    """
    return LeaseInfo(*_record(raw, "a lease", LeaseInfo.__annotations__.values()))


def encode_dead_letter(record: DeadLetterRecord) -> bytes:
    """Encodes a dead letter; its id is the store's and not part of it."""
    return _pack_or_explain(tuple(record)[1:], "dead letter")


def decode_dead_letter(letter_id: str, raw: bytes) -> DeadLetterRecord:
    """Decodes a dead letter.

    Raises:
        CodecError: it is none.
    """
    kinds = list(DeadLetterRecord.__annotations__.values())[1:]
    return DeadLetterRecord(letter_id, *_record(raw, "a dead letter", kinds))


_RECORD_TYPES: dict[str, type] = {"int": int, "float": float, "bytes": bytes}


def _record(raw: bytes, what: str, annotations: Iterable[Any]) -> list[Any]:
    # Annotations are strings here ("from __future__ import annotations"); every NewType among them is a str.
    kinds = [_RECORD_TYPES.get(getattr(note, "__forward_arg__", note), str) for note in annotations]
    value = _unpack(raw, what)
    if type(value) is not list or [type(item) for item in value] != kinds:
        raise CodecError(f"{what}: [{', '.join(kind.__name__ for kind in kinds)}]", raw)
    return value
