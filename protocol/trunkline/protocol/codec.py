"""Bytes of the wire contract: entries here, mailbox operations in `operations`, everything else in `records`.

Everything is one version byte and then msgpack (https://github.com/msgpack/msgpack/blob/master/spec.md). The
shapes are specified in ``protocol/README.md``; ``protocol/vectors.json`` holds examples another language can
test against. `values` says what they may hold. Decoders bound sizes and nesting and never raise anything but
`CodecError`, which carries the bytes; what an encoder takes, its decoder gives back.

Entries of frames and mailbox entries are the hot path: there the common case, one str, is a few type checks
and one call of msgpack; everything else takes the thorough way.
"""

from __future__ import annotations

from typing import Any, Final

from .errors import CodecError, MessageError
from .marks import MarkedEntry, Marks, marks_of
from .messages import MAX_EVENTS_PER_ENTRY, Entry
from .names import RECEIVE, ChannelName
from .operations import GROUP_ADD as GROUP_ADD
from .operations import GROUP_DISCARD as GROUP_DISCARD
from .operations import GROUP_SEND as GROUP_SEND
from .operations import MARK as MARK
from .operations import RELEASE as RELEASE
from .operations import SEND as SEND
from .operations import TextReleases as TextReleases
from .operations import decode_mailbox as decode_mailbox
from .operations import encode_group_add as encode_group_add
from .operations import encode_group_discard as encode_group_discard
from .operations import encode_group_send as encode_group_send
from .operations import encode_mailbox as encode_mailbox
from .operations import encode_mark as encode_mark
from .operations import encode_release as encode_release
from .operations import encode_send as encode_send
from .operations import encode_text_release as encode_text_release
from .records import decode_dead_letter as decode_dead_letter
from .records import decode_lease as decode_lease
from .records import encode_dead_letter as encode_dead_letter
from .records import encode_lease as encode_lease
from .stored_session import decode_session as decode_session
from .stored_session import encode_session as encode_session
from .values import MAX_BODY_BYTES as MAX_BODY_BYTES
from .values import MAX_DEPTH as MAX_DEPTH
from .values import MAX_ITEMS as MAX_ITEMS
from .values import (
    PACK_ERRORS,
    VERSION_BYTE,
    content_fault,
    frame_packer,
    pack,
    pack_frames,
    unpack,
    unpackable,
    versioned,
)
from .values import VERSION as VERSION
from .values import explain as explain

_MARKED_BYTES: Final = 2048
"""More than marks and the fields before them take."""
_FIELDS: Final = 0x90
"""First byte of a msgpack array, less its length up to 15."""
# What stands before the marks where an entry has no id, and was never tried.
_FILLING: Final = {4: b"\xc0\x00", 5: b"\x00", 6: b""}
# What Entry(...) does, without its constructor in Python.
_tuple: Final = tuple.__new__


def encode_entry(entry: Entry) -> bytes:
    """Encodes an entry: ``[reply, path, seq, events]``, with ``id`` behind where there is one, and ``tries`` behind
    that where it has failed before.

    Raises:
        MessageError: an event is none of this channel, or holds what msgpack cannot; the text names the
            place.
    """
    channel, reply, path, seq, events, message_id, tries = entry
    if (
        channel != RECEIVE
        or message_id is not None
        or tries
        or len(events) != 1
        or type(events[0]) is not str
    ):
        return _encode_other_entry(entry)
    try:
        body: bytes = pack_frames((reply, path, seq, events))
    except PACK_ERRORS as error:
        raise unpackable(frame_packer, error, {"message": events, "path": path}) from error
    if len(body) >= MAX_BODY_BYTES:
        return versioned(body, "message")
    return VERSION_BYTE + body


def _encode_other_entry(entry: Entry) -> bytes:
    channel, reply, path, seq, events, message_id, tries = entry
    if tries and (message_id is None or tries < 0 or len(events) != 1):
        raise MessageError(f"an entry that failed {tries} times: expected 1 or more, one event and an id")
    if not 1 <= len(events) <= MAX_EVENTS_PER_ENTRY:
        raise MessageError(f"an entry of {len(events)} events; expected 1 to {MAX_EVENTS_PER_ENTRY}")
    if channel == RECEIVE:
        for event in events:
            if type(event) is not str and not isinstance(event, (str, bytes, bytearray)):
                raise MessageError(f"message is a {type(event).__name__}; expected str or bytes on {RECEIVE}")
    else:
        for event in events:
            found = content_fault(event)
            if found is not None:
                raise MessageError("message" + found)
    parts: tuple[Any, ...] = (reply, path, seq, events)
    if message_id is not None:
        parts += (message_id, tries) if tries else (message_id,)
    return versioned(pack(parts, {"message": events, "path": path}), "message")


def mark_entry(body: bytes, marks: Marks) -> bytes:
    """Adds marks to an encoded entry: ``[reply, path, seq, events, id or nil, tries or 0, marks]``. One that has some,
    or would become too large for a decoder, stays as it is."""
    filling = _FILLING.get(body[1] - _FIELDS)
    if filling is None or len(body) > MAX_BODY_BYTES - _MARKED_BYTES:
        return body
    return b"".join((VERSION_BYTE, b"\x97", body[2:], filling, pack(marks.as_map(), {})))


def encode_marked(entry: Entry) -> bytes:
    """`encode_entry`, with the marks of an entry that has some. For what is sent again: there the trace goes on, and
    the waterfall, whose interface server waits for nothing any more, does not.

    Raises:
        MessageError: as `encode_entry`.
    """
    marks = marks_of(entry)
    body = encode_entry(entry)
    return body if marks is None or marks.trace is None else mark_entry(body, Marks(marks.trace))


def decode_entry(channel: ChannelName, raw: bytes) -> Entry:
    """Decodes an entry read from a channel's stream; one with marks becomes a `marks.MarkedEntry`.

    Raises:
        CodecError: it is no entry; carries ``raw``.
    """
    value = unpack(raw, "an entry")
    if channel == RECEIVE and type(value) is list and len(value) == 4:
        reply, path, seq, events = value
        if (
            type(reply) is type(path) is str
            and type(seq) is int
            and type(events) is list
            and len(events) == 1
            and type(events[0]) is str
        ):
            return _tuple(Entry, (channel, reply, path, seq, events, None, 0))
    return _decode_other_entry(channel, value, raw)


def _decode_other_entry(channel: ChannelName, value: Any, raw: bytes) -> Entry:
    if type(value) is not list or not 4 <= len(value) <= 7:
        raise CodecError("an entry: an array [reply, path, seq, events], then id, tries, marks", raw)
    marks: Any = None
    if len(value) == 7:
        *value, marks = value
        if type(marks) is not dict:
            raise CodecError("an entry: its marks a map", raw)
        # They stand behind an id and tries, even where there are none.
        if value[4:] == [None, 0]:
            value = value[:4]
        elif value[5] == 0:
            value = value[:5]
    reply, path, seq, events = value[:4]
    message_id = value[4] if len(value) > 4 else None
    tries = value[5] if len(value) > 5 else 0
    if not (
        (reply is None or type(reply) is str)
        and (path is None or type(path) is str)
        and type(seq) is int
        and type(events) is list
        and 1 <= len(events) <= MAX_EVENTS_PER_ENTRY
        and (len(value) == 4 or type(message_id) is str)
        and (len(value) < 6 or (type(tries) is int and tries > 0 and len(events) == 1))
    ):
        raise CodecError(
            f"an entry: [str|nil, str|nil, int, array of 1 to {MAX_EVENTS_PER_ENTRY}, (str, (1 or more: one event))]",
            raw,
        )
    _check_events(channel, events, raw)
    entry = Entry._make((channel, reply, path, seq, events, message_id, tries))
    return entry if marks is None else MarkedEntry.with_marks(entry, Marks.of(marks))


def _check_events(channel: ChannelName, events: list[Any], raw: bytes) -> None:
    for event in events:
        if channel != RECEIVE:
            found = content_fault(event)
            if found is not None:
                raise CodecError(
                    f"an entry: each event a map of what a message may hold; this event{found}", raw
                )
        elif type(event) is not str and type(event) is not bytes:
            raise CodecError(f"an entry of {RECEIVE}: each event a str or bin", raw)
