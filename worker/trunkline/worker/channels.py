"""Channels, reply channels and groups as handlers use them: names are checked, effects go to the current outbox."""

from __future__ import annotations

from functools import lru_cache

from trunkline.protocol.errors import InvalidName, MessageError
from trunkline.protocol.names import (
    ChannelName,
    GroupName,
    ReplyName,
    channel_name,
    group_name,
    split_reply_name,
)

from .outbox import CURRENT, current

# A group is named once for every message: checking it costs five times what finding it here does.
_checked_group = lru_cache(maxsize=4096)(group_name)


class Channel:
    """A channel by its name: a background channel, or a reply channel somebody noted down.

    Args:
        name: of the channel, or the name of a reply channel.

    Raises:
        InvalidName: it is no such name.
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        if isinstance(name, str) and "!" in name:
            split_reply_name(name)
        else:
            channel_name(name)
        self._name = name

    @property
    def name(self) -> str:
        """The name. It does not change: messages of one connection share a reply channel."""
        return self._name

    def send(self, content: object, immediately: bool = False, delay_s: float = 0.0) -> None:
        """Sends a message when the handler ends; not at all if it raises.

        Args:
            content: a dict; to a background channel any str keys and msgpack values, to a reply channel what
                `contents` lists.
            immediately: do not wait for the end of the handler (in an `async def` handler prefer
                ``await message.flush()``). What the handler sent before goes out as well, to keep the order.
            delay_s: seconds until a background channel gets it, up to a year. Until then it waits in Redis and
                survives every process; one for which there is no room becomes a dead letter.

        Raises:
            MessageError: the content or the delay is none, or there is no handler at work here.
        """
        outbox = current()
        if "!" in self._name:
            _refuse_delay(self._name, delay_s)
            outbox.send_reply(self._name, content)
        else:
            outbox.channel_send(ChannelName(self._name), content, delay_s)
        if immediately:
            outbox.request_flush()

    def __str__(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name}>"

    def __eq__(self, other: object) -> bool:
        return other._name == self._name if isinstance(other, Channel) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._name)


class ReplyChannel(Channel):
    """The reply channel of a connection.

    Args:
        name: of the reply channel, from an entry.

    Attributes:
        interface: who holds the connection.
        connection: its id.

    Raises:
        InvalidName: it is no such name.
    """

    __slots__ = ("connection", "interface")

    def __init__(self, name: ReplyName) -> None:
        self.interface, self.connection = split_reply_name(name)
        self._name = name

    def send(self, content: object, immediately: bool = False, delay_s: float = 0.0) -> None:
        """Sends to the connection; see `Channel.send`.

        Raises:
            MessageError: the content is none, a delay was given, or there is no handler at work here.
        """
        if delay_s:
            _refuse_delay(self._name, delay_s)
        outbox = CURRENT.get(None) or current()  # which says why there is none
        outbox.send_reply(self._name, content)
        if immediately:
            outbox.request_flush()


# One for a connection, found where it was made before: to take its name apart costs more than the rest of an echo, and
# a connection talks more than once. Errors are not cached.
reply_channel_of = lru_cache(maxsize=16_384)(ReplyChannel)


class Group:
    """A group of connections.

    Args:
        name: letters and digits of any script and ``_ - . : @ + / =``, at most 200 bytes.

    Raises:
        InvalidName: it is something else.
    """

    __slots__ = ("name",)

    name: GroupName

    def __init__(self, name: str) -> None:
        # What cannot be hashed cannot be looked up; `group_name` says what is wrong with it.
        self.name = _checked_group(name) if isinstance(name, str) else group_name(name)

    def add(self, channel: Channel | str) -> None:
        """Adds a connection, by its reply channel or that one's name.

        Raises:
            InvalidName: it is no reply channel.
            MessageError: there is no handler at work here.
        """
        current().group_add(self.name, _name_of(channel))

    def discard(self, channel: Channel | str) -> None:
        """Takes a connection out, by its reply channel or that one's name.

        Raises:
            InvalidName: it is no reply channel.
            MessageError: there is no handler at work here.
        """
        current().group_discard(self.name, _name_of(channel))

    def send(self, content: object, immediately: bool = False) -> None:
        """Sends to every member; see `Channel.send`.

        Raises:
            MessageError: the content is none, or there is no handler at work here.
        """
        outbox = current()
        outbox.group_send(self.name, content)
        if immediately:
            outbox.request_flush()

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<Group {self.name}>"


def _name_of(channel: object) -> str:
    if isinstance(channel, Channel):
        return channel.name
    if isinstance(channel, str):
        return channel
    raise InvalidName(
        f"group member {channel!r}: expected message.reply_channel or the name of a reply channel"
    )


def _refuse_delay(name: str, delay_s: float) -> None:
    if delay_s:
        raise MessageError(
            f"delay_s={delay_s!r} to the reply channel {name!r}: only background channels can wait; send to one of "
            "those, and from its handler to the reply channel"
        )
