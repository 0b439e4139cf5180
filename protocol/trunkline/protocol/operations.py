"""Mailbox operations: what a worker tells an interface server, several joined in one mailbox entry.

An operation is a msgpack array whose first item is its number. It has no version byte; the mailbox entry it
stands in has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgpack
from mypy_extensions import mypyc_attr

from .errors import CodecError, MessageError
from .marks import Marks, Stamps
from .names import ConnectionId, GroupName
from .text_entry import HEADS, KEPT, NUMBERS, SHORT
from .values import (
    MAX_ITEMS,
    PACK_ERRORS,
    UNPACK_ERRORS,
    VERSION,
    VERSION_BYTE,
    content_fault,
    frame_packer,
    pack,
    pack_frames,
    unpackable,
)

# Their numbers are the wire contract's.
RELEASE: Final = 1
SEND: Final = 2
GROUP_SEND: Final = 3
GROUP_ADD: Final = 4
GROUP_DISCARD: Final = 5
MARK: Final = 6

_FRAMES: Final = frozenset((str, bytes))
# Of a release, up to the connection, by the length of its id.
_STARTS: Final = [pack([RELEASE, "x" * length, 0, []], {})[: -length - 2] for length in range(32)]


@mypyc_attr(native_class=False)
class TextReleases(list[list[Any]]):
    """Operations that are releases with one text each, and nothing else: most of a busy mailbox."""

    __slots__ = ()


def encode_release(connection: ConnectionId, seq: int, payloads: list[Any]) -> bytes:
    """The entry that began with event ``seq`` is done; write ``payloads`` to the connection, then send the next.

    Raises:
        MessageError: a payload is none, or holds what msgpack cannot.
    """
    return _checked((RELEASE, connection, seq, payloads), payloads)


def encode_text_release(connection: ConnectionId, seq: int, text: str) -> bytes:
    """`encode_release` with one text frame, which is what most are.

    Raises:
        MessageError: the text is no Unicode.
    """
    try:
        if len(text) < SHORT and 0 <= seq < KEPT:
            encoded, name = text.encode(), connection.encode()
            if len(encoded) < SHORT and len(name) < len(_STARTS):  # the same bytes for half of the cost
                return b"".join((_STARTS[len(name)], name, NUMBERS[seq], HEADS[len(encoded)], encoded))
        packed: bytes = pack_frames((RELEASE, connection, seq, (text,)))
    except PACK_ERRORS as error:
        raise unpackable(frame_packer, error, {"message": (text,)}) from error
    return packed


def encode_send(connection: ConnectionId, seq: int, payload: Any) -> bytes:
    """Write one payload to a connection.

    Args:
        connection: to whom.
        seq: of the entry in whose handling it was sent if that is the connection's own, so that a replay is
            dropped; -1 from elsewhere.
        payload: `Payload`.

    Raises:
        MessageError: the payload is none, or holds what msgpack cannot.
    """
    return _checked((SEND, connection, seq, payload), (payload,))


def encode_group_send(group: GroupName, payload: Any) -> bytes:
    """Write one payload to every member of a group.

    Raises:
        MessageError: the payload is none, or holds what msgpack cannot.
    """
    return _checked((GROUP_SEND, group, payload), (payload,))


def encode_group_add(group: GroupName, connection: ConnectionId) -> bytes:
    """Add a connection to a group."""
    return pack((GROUP_ADD, group, connection), {"group": group})


def encode_group_discard(group: GroupName, connection: ConnectionId) -> bytes:
    """Take a connection out of a group."""
    return pack((GROUP_DISCARD, group, connection), {"group": group})


def encode_mark(about: str, seq: int, marks: Marks, stamps: Stamps | None = None) -> bytes:
    """Says that the operation behind it belongs to a message that is watched. Only for interface servers that asked for
    it, or where all take it: see ``protocol/README.md``.

    Args:
        about: the connection or group that operation is for.
        seq: as in that operation; -1 for a group.
        marks: what is asked; its trace is that of the handler.
        stamps: what the interface server wanted to know of the entry.
    """
    values = marks.as_map()
    if stamps is not None:
        values["stamps"] = stamps.as_list()
    return pack((MARK, about, seq, values), {})


def _checked(operation: tuple[Any, ...], payloads: Sequence[Any]) -> bytes:
    if _FRAMES.issuperset(map(type, payloads)):  # or there are none
        return _packed_frames(operation, payloads)
    for payload in payloads:
        if not isinstance(payload, (str, bytes, bytearray)):
            found = content_fault(payload)
            if found is not None:
                raise MessageError("message" + found)
    return pack(operation, {"message": payloads})


def _packed_frames(operation: tuple[Any, ...], payloads: Sequence[Any]) -> bytes:
    try:
        packed: bytes = pack_frames(operation)
    except PACK_ERRORS as error:
        raise unpackable(frame_packer, error, {"message": payloads}) from error
    return packed


def encode_mailbox(chunks: Iterable[bytes]) -> bytes:
    """Joins encoded operations to the body of one mailbox entry."""
    return VERSION_BYTE + b"".join(chunks)


def new_unpacker() -> Any:
    """An unpacker with our bounds, to be fed with one thing after another."""
    return msgpack.Unpacker(
        strict_map_key=False, max_array_len=MAX_ITEMS, max_map_len=MAX_ITEMS, max_buffer_size=0
    )


MAX_KEPT_BYTES: Final = 64 * 1024
"""Mailbox entries up to here share one unpacker; its buffer never shrinks, so a huge entry gets one of its own."""

_unpacker = new_unpacker()


def decode_mailbox(raw: bytes) -> list[list[Any]]:
    """Decodes a mailbox entry to its operations, each a list whose first item is its number; to `TextReleases` if it is
    several of these.

    Call it from one thread only. The entry has no bound of its own: our own scripts join as many operations
    as a commit holds, each bounded when it was encoded.

    Raises:
        CodecError: it is no mailbox entry. What stands before the fault is not returned: a mailbox is written
            by our own scripts only, so a fault means that somebody else wrote it.
    """
    global _unpacker
    if raw[:1] != VERSION_BYTE:
        raise CodecError(f"a mailbox entry (first byte {VERSION}, the version)", raw)
    unpacker = _unpacker if len(raw) <= MAX_KEPT_BYTES else new_unpacker()
    try:
        end = unpacker.tell() + len(raw)
        unpacker.feed(raw)
        unpack = unpacker.unpack
        unpack()  # The version is msgpack too: the integer 1.
        operations: list[Any] = []  # of whatever somebody wrote
        # Not by iterating: that takes an operation that is cut off for the end, and keeps its half for later.
        while unpacker.tell() < end:
            operations.append(unpack())
        texts = len(operations) > 1
        for operation in operations:
            # One text for one connection, which most are, is known without a call.
            if type(operation) is list and len(operation) == 4:
                number, name, seq, last = operation
                if (
                    number is RELEASE  # an equal one that is another object (1.0, True) is looked at below
                    and type(name) is str
                    and type(seq) is int
                    and type(last) is list
                    and len(last) == 1
                    and type(last[0]) is str
                ):
                    continue
            texts = False
            if not _is_operation(operation):
                raise ValueError("no operation of protocol/README.md")
    except UNPACK_ERRORS as error:
        _unpacker = new_unpacker()  # The old one still holds the rest.
        reason = "it ends within an operation" if isinstance(error, msgpack.OutOfData) else str(error)
        raise CodecError(f"a mailbox entry ({reason or type(error).__name__})", raw) from error
    return TextReleases(operations) if texts else operations


def _is_operation(value: Any) -> bool:
    if type(value) is not list:
        return False
    if len(value) == 4:
        number, name, seq, last = value
        if type(number) is not int or type(name) is not str or type(seq) is not int:
            return False
        if number != RELEASE:
            return _is_payload(last) if number == SEND else number == MARK and type(last) is dict
        return type(last) is list and all(map(_is_payload, last))
    if len(value) != 3:
        return False
    number, name, last = value
    if type(number) is not int or type(name) is not str:
        return False
    return (
        _is_payload(last)
        if number == GROUP_SEND
        else number in (GROUP_ADD, GROUP_DISCARD) and type(last) is str
    )


def _is_payload(value: Any) -> bool:
    return type(value) is str or type(value) is bytes or content_fault(value) is None
