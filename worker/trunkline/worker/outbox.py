"""The outbox: what the handlers of one entry do, checked where they do it and kept in an `EffectLog`."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from mypy_extensions import mypyc_attr

from trunkline.protocol.codec import (
    encode_group_add,
    encode_group_discard,
    encode_group_send,
    encode_send,
)
from trunkline.protocol.errors import MessageError
from trunkline.protocol.messages import ChannelSend, GroupAdd, GroupSend, Payload, Post
from trunkline.protocol.names import CONNECT, REQUEST, ChannelName, GroupName

from .background import delay_ms, encode_background
from .contents import connect_payload, frame_payload, http_payload, reply_payload
from .effect_log import ENDED, EffectLog
from .effect_log import split as split

FOREIGN: Final = -1
"""The seq of a SEND that comes from somebody else's handler: nothing drops it."""

NO_OUTBOX: Final = (
    "nothing can be sent here, outside of any handler: send from a handler, or open a connection of your own with "
    "trunkline.worker.outside(redis_url)"
)
CURRENT: Final[ContextVar[Outbox]] = ContextVar("trunkline_outbox")
"""The outbox of the handler at work. The dispatcher sets it around each handler."""

_CHECKS: Final[dict[str, Callable[[object], Payload]]] = {CONNECT: connect_payload, REQUEST: http_payload}


def current() -> Outbox:
    """The outbox of the handler at work.

    Raises:
        MessageError: there is none here.
    """
    try:
        return CURRENT.get()
    except LookupError:
        raise MessageError(NO_OUTBOX) from None


@mypyc_attr(allow_interpreted_subclasses=True)
class Outbox(EffectLog):
    """The effects of the handlers of one entry, made as an `EffectLog` is."""

    __slots__ = ()

    def send_reply(self, name: str, content: object) -> None:
        """Sends to a connection, the own or another.

        Raises:
            MessageError: the content is none; or the handler has ended.
            InvalidName: the name is no reply channel's.
        """
        if name == self.reply:
            self._log.append(_CHECKS.get(self.channel, frame_payload)(content))
        else:
            interface, connection = split(name)
            self._log.append(Post(interface, encode_send(connection, FOREIGN, reply_payload(content))))

    def group_add(self, group: GroupName, name: str) -> None:
        """Adds a connection to a group; a later send in the same handler reaches it.

        Raises:
            InvalidName: the name is no reply channel's.
        """
        interface, connection = split(name)
        self._log.append(GroupAdd(group, interface, encode_group_add(group, connection)))

    def group_discard(self, group: GroupName, name: str) -> None:
        """Takes a connection out of a group; nothing happens if it is not in it.

        Raises:
            InvalidName: the name is no reply channel's.
        """
        interface, connection = split(name)
        self._log.append(Post(interface, encode_group_discard(group, connection)))

    def group_send(self, group: GroupName, content: object) -> None:
        """Sends to every member of a group.

        Raises:
            MessageError: the content is none.
        """
        self._log.append(GroupSend(group, encode_group_send(group, frame_payload(content))))

    def channel_send(self, channel: ChannelName, content: object, delay_s: object = 0.0) -> None:
        """Sends a message to a background channel, ``delay_s`` from now.

        Raises:
            MessageError: the content or the delay is none; or the channel is one of the interface servers'.
        """
        body = encode_background(channel, content, f"{self.event_id()}/{self._sends}")
        self._log.append(ChannelSend(channel, body, delay_ms(delay_s)))
        self._sends += 1

    async def flush(self) -> None:
        """Applies now what was collected so far. See `Message.flush`.

        Raises:
            MessageError: there is nothing to flush through, the handler has ended, or it is too much at once.
        """
        if self.hooks is None or self.ended:
            raise MessageError(ENDED)
        self.check_size()
        await self.hooks.flush_log(self)

    def request_flush(self) -> None:
        """Asks for a flush soon (``immediately=True``); without hooks it happens when the handler ends.

        Raises:
            MessageError: it is too much at once.
        """
        self.check_size()
        if self.hooks is not None:
            self.hooks.flush_log_soon(self)
