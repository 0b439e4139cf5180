"""Redriving: what goes back into a channel for a dead letter, and what came of it. Pure, for both layers.

A redriven entry has a negative seq: nothing of its connection waits for it, so no RELEASE is due. -2 says that it was
put back once, -3 twice. Its number among the connection's events stands in its id instead, which is what `Message.id`
of the event was and stays.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from .codec import decode_entry, encode_marked
from .errors import CodecError, InvalidName
from .marks import MarkedEntry, marks_of
from .messages import DeadLetterRecord, Entry
from .names import ChannelName, ConnectionId, InterfaceId, split_reply_name


class Redriven(NamedTuple):
    """What came of redriving a dead letter.

    Attributes:
        outcome: ``put_back``: its message is in its channel, the letter is gone; ``missing``: there is no such letter;
            ``full``: its channel has no room, the letter stays; ``busy``: another letter of the same connection was put
            back before and is not handled yet, the letter stays.
        gone: it was put back and its connection does not live any more: what its handler sends to it is dropped.
    """

    outcome: Literal["put_back", "missing", "full", "busy"]
    gone: bool = False


class Again(NamedTuple):
    """A dead letter's message on its way back.

    Attributes:
        channel: whose stream it goes to.
        body: the encoded entry.
        interface: who holds, or held, its connection; None for a background message, whose order nobody keeps.
        connection: whose event it is; None for a background message.
    """

    channel: ChannelName
    body: bytes
    interface: InterfaceId | None = None
    connection: ConnectionId | None = None


def again(letter: DeadLetterRecord) -> Again:
    """What is put back for a dead letter.

    Raises:
        CodecError: it holds no message that a handler could take.
    """
    if not letter.channel:
        raise CodecError("a message with its channel", letter.body)
    entry = decode_entry(letter.channel, letter.body)
    seq = -2 - redrives(entry)
    if entry.path is None or entry.reply is None:
        return Again(letter.channel, _encode(entry, seq, entry.id))
    try:
        interface, connection = split_reply_name(entry.reply)
    except InvalidName as error:
        raise CodecError("a message with the reply channel of a connection", letter.body) from error
    message_id = entry.id
    if message_id is None and entry.seq >= 0 and len(entry.events) == 1:
        message_id = f"{connection}:{entry.seq}"
    return Again(letter.channel, _encode(entry, seq, message_id), interface, connection)


def _encode(entry: Entry, seq: int, message_id: str | None) -> bytes:
    # Not _replace: whatever else it carries belongs to its past, and its handler begins anew. But its trace goes on.
    anew = Entry(entry.channel, entry.reply, entry.path, seq, entry.events, message_id)
    marks = marks_of(entry)
    return encode_marked(anew if marks is None else MarkedEntry.with_marks(anew, marks))


def redrives(entry: Entry) -> int:
    """How often an entry was put back."""
    return max(0, -1 - entry.seq)


def number(entry: Entry) -> int | None:
    """Which of its connection's events an entry began with, also when it was redriven; None if nobody knows."""
    if entry.path is None:
        return None
    if entry.seq >= 0:
        return entry.seq
    digits = (entry.id or "").rpartition(":")[2]
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else None
