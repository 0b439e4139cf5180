"""Events of an entry as handlers see them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from trunkline.protocol.messages import Content
from trunkline.protocol.names import INTERFACE_CHANNELS, RECEIVE

Fields = Sequence[Any]
"""Reply channel, path, seq and events of a `messages.Entry`."""

_OF_INTERFACES: Final = frozenset(INTERFACE_CHANNELS)


def contents(channel: str, fields: Fields) -> list[Content]:
    """The content of each event of an entry; see `content_of`."""
    return [content_of(channel, fields, index) for index in range(len(fields[3]))]


def content_of(channel: str, fields: Fields, index: int) -> Content:
    """Makes the content of one event of an entry, with the keys of Channels 1.x.

    Every event of an interface server has ``reply_channel``, ``path`` and ``order``; a frame has ``text`` or ``bytes``;
    the others have what the interface server wrote. A message of a background channel has what was sent, and
    ``reply_channel`` only if that was sent with it.
    """
    reply, path, seq, events = fields
    event = events[index]
    if channel == RECEIVE:
        if type(event) is str:
            return {"reply_channel": reply, "path": path, "order": seq + index, "text": event}
        return {"reply_channel": reply, "path": path, "order": seq + index, "bytes": event}
    if channel in _OF_INTERFACES:
        return {**event, "reply_channel": reply, "path": path, "order": seq + index}
    return dict(event) if reply is None else {**event, "reply_channel": reply}
