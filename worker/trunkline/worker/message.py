"""Messages: what a handler gets. One is made for every event, so all but ``content`` is made when asked for."""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, ValuesView
from typing import Any, cast

from trunkline.protocol.messages import Content, Delivery, Entry
from trunkline.protocol.names import INTERFACE_CHANNELS, RECEIVE, ConnectionId

from .channels import Channel, ReplyChannel, reply_channel_of
from .outbox import current
from .sessions import ChannelSession, HeldSession

_OF_INTERFACES = frozenset(INTERFACE_CHANNELS)


def contents(entry: Entry) -> list[Content]:
    """The content of each event of an entry; see `content_of`."""
    return [content_of(entry, index) for index in range(len(entry.events))]


def content_of(entry: Entry, index: int) -> Content:
    """Makes the content of one event of an entry, with the keys of Channels 1.x.

    Every event of an interface server has ``reply_channel``, ``path`` and ``order``; a frame has ``text`` or ``bytes``;
    the others have what the interface server wrote. A message of a background channel has what was sent, and
    ``reply_channel`` only if that was sent with it.
    """
    channel, reply, path, seq, events, _, _ = entry
    event = events[index]
    if channel == RECEIVE:
        key = "text" if type(event) is str else "bytes"
        return {"reply_channel": reply, "path": path, "order": seq + index, key: event}
    if channel in _OF_INTERFACES:
        return {**event, "reply_channel": reply, "path": path, "order": seq + index}
    return dict(event) if reply is None else {**event, "reply_channel": reply}


class Message:
    """A message on its way through a handler.

    Args:
        content: its keys and values, see `content_of`.
        entry: the entry it came in.
        index: which of the entry's events it is.
        delivery: how that entry was delivered.
        session: the connection's session, for a handler that asked for it.

    Attributes:
        content: the dict itself; ``message["text"]`` and ``message.content["text"]`` are the same.
    """

    __slots__ = ("_delivery", "_entry", "_index", "_session", "content")

    def __init__(
        self,
        content: Content,
        entry: Entry,
        index: int,
        delivery: Delivery,
        session: HeldSession | None = None,
    ) -> None:
        self.content = content
        self._entry = entry
        self._index = index
        self._delivery = delivery
        self._session = session

    def __getitem__(self, key: str) -> Any:
        return self.content[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.content[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self.content

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or ``default``."""
        return self.content.get(key, default)

    def keys(self) -> KeysView[str]:
        """The keys of ``content``."""
        return self.content.keys()

    def values(self) -> ValuesView[Any]:
        """The values of ``content``."""
        return self.content.values()

    def items(self) -> ItemsView[str, Any]:
        """The items of ``content``."""
        return self.content.items()

    @property
    def channel(self) -> Channel:
        """The channel it came on; its ``name`` is what routes name."""
        return Channel(self._entry.channel)

    @property
    def reply_channel(self) -> ReplyChannel:
        """Where to answer: the reply channel of the connection.

        None for a background message sent without one. The type does not say so: every message of an interface server
        has one, and handlers should not have to assert it to their type checker.
        """
        reply = self._entry.reply
        return reply_channel_of(reply) if reply is not None else cast(ReplyChannel, None)

    @property
    def channel_session(self) -> ChannelSession:
        """The session of the connection.

        Raises:
            AttributeError: the handler is not decorated with `channel_session`.
        """
        if self._session is None:
            raise AttributeError(
                "this message has no channel_session: add @channel_session above the handler (or, on a consumer class, "
                "channel_session = True)"
            )
        return self._session.session

    @property
    def id(self) -> str:
        """Idempotency key: the same whenever this message is handled again, different from that of every other one.

        Use it for effects outside Redis (a payment, a row), which a worker's death may make happen twice.
        """
        entry = self._entry
        if entry.id is not None:
            return entry.id
        if (
            entry.reply is None or entry.seq < 0
        ):  # redriven: its number is lost, its place in the stream is new
            return self._delivery.id
        return f"{_connection(entry.reply)}:{entry.seq + self._index}"

    @property
    def attempt(self) -> int:
        """1, and one more for every worker that died with it."""
        return self._delivery.attempt

    @property
    def redelivered(self) -> bool:
        """Whether another worker may have begun with it before."""
        return self._delivery.attempt > 1

    async def flush(self) -> None:
        """Applies now what this handler has sent so far, and does not wait for its end.

        What was flushed stays even if the handler raises later, and happens once more if the worker dies and the
        message is handled again. A connection is not accepted by it: that is decided when the connect handler ends.

        Cancellation: what was handed to the layer is applied; the wait for it ends.

        Raises:
            MessageError: outside the handler, or after its end.
        """
        await current().flush()

    def __repr__(self) -> str:
        return f"<Message {self.id} on {self._entry.channel} {sorted(self.content)}>"


def _connection(reply: str) -> ConnectionId:
    return ConnectionId(reply.partition("!")[2])
