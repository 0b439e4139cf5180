"""Messages: what a handler gets. One is made for every event, so all but ``content`` is made when asked for."""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, ValuesView
from typing import TYPE_CHECKING, Any

from trunkline.protocol.messages import Content

from .channels import Channel, ReplyChannel
from .outbox import current
from .sessions import ChannelSession, HeldSession

if TYPE_CHECKING:
    from .course import Course


class Message:
    """A message on its way through a handler.

    Args:
        content: its keys and values, see `events.content_of`.
        course: of the entry that it came in.
        index: which of the entry's events it is.
        session: the connection's session, for a handler that asked for it.

    Attributes:
        content: the dict itself; ``message["text"]`` and ``message.content["text"]`` are the same.
        reply_channel: where to answer: the reply channel of the connection. None for a background message sent without
            one; the type does not say so, because every message of an interface server has one, and handlers should not
            have to assert it to their type checker.
    """

    __slots__ = ("_course", "_index", "_session", "content", "reply_channel")

    reply_channel: ReplyChannel

    def __init__(
        self, content: Content, course: Course, index: int, session: HeldSession | None = None
    ) -> None:
        self.content = content
        self.reply_channel = course.reply_channel  # type: ignore[assignment]
        self._course = course
        self._index = index
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
        return Channel(self._course.channel)

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
        course, entry = self._course, self._course.entry
        if entry.id is not None:
            return entry.id
        if (
            entry.reply is None or entry.seq < 0
        ):  # redriven: its number is lost, its place in the stream is new
            return course.delivery.id
        return f"{course.connection}:{entry.seq + self._index}"

    @property
    def attempt(self) -> int:
        """1, and one more for every worker that died with it."""
        return self._course.delivery.attempt

    @property
    def redelivered(self) -> bool:
        """Whether another worker may have begun with it before."""
        return self._course.delivery.attempt > 1

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
        return f"<Message {self.id} on {self._course.channel} {sorted(self.content)}>"
