"""Messages to background channels: what `Channel.send` gives to another handler."""

from __future__ import annotations

from typing import Any

from trunkline.protocol.codec import encode_entry
from trunkline.protocol.errors import MessageError
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import ChannelName, ReplyName, split_reply_name

MAX_DELAY_S = 366 * 86_400
"""A year; a longer delay is a mistaken unit, and Redis would have to keep the message for all that time."""

_RESERVED = ("websocket.", "http.", "trunkline.")
"""What interface servers write. A forged event would break the order of its connection."""


def encode_background(channel: ChannelName, content: object, message_id: str) -> bytes:
    """Checks a message for a background channel and encodes it as an entry.

    Args:
        channel: where it goes.
        content: a dict; ``reply_channel`` in it, a name or a reply channel, becomes that of the message.
        message_id: its idempotency key.

    Raises:
        MessageError: the content cannot be sent, or the channel is written by interface servers only.
        InvalidName: ``reply_channel`` is none.
    """
    if channel.startswith(_RESERVED):
        raise MessageError(
            f"channel {channel!r}: only interface servers send on it; to reach a browser use its reply channel or a "
            "Group, for work of your own any other name"
        )
    if not isinstance(content, dict):
        raise MessageError(f"message for channel {channel!r} is a {type(content).__name__}: expected a dict")
    reply = content.get("reply_channel")
    event = {key: value for key, value in content.items() if key != "reply_channel"}
    entry = Entry(channel, None if reply is None else _reply_name(reply), None, 0, [event], message_id)
    try:
        return encode_entry(entry)
    except MessageError as error:
        raise MessageError(f"to channel {channel!r}: {error}") from error


def _reply_name(value: Any) -> ReplyName:
    name = getattr(value, "name", value)
    split_reply_name(name)
    return ReplyName(name)


def delay_ms(delay_s: object) -> int:
    """Checks a delay in seconds and gives it in milliseconds.

    Raises:
        MessageError: it is no number from 0 to a year.
    """
    if isinstance(delay_s, (int, float)) and 0 <= delay_s <= MAX_DELAY_S:
        return round(delay_s * 1000)
    raise MessageError(f"delay_s={delay_s!r}: expected seconds from 0 to {MAX_DELAY_S}")
