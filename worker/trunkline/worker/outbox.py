"""The outbox: the effects of the handlers of one entry, in their order, until the commit applies them or nothing does.

One list holds what happened. Payloads for the entry's own connection stand in it as they are (`str`, `bytes`,
`dict`); everything else is an effect. So a rollback is one cut of one list, and `release` folds it at the end.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, NewType, Protocol

from trunkline.protocol.codec import (
    encode_group_add,
    encode_group_discard,
    encode_group_send,
    encode_release,
    encode_send,
)
from trunkline.protocol.errors import MessageError
from trunkline.protocol.messages import (
    ChannelSend,
    DeadLetter,
    Effect,
    Entry,
    GroupAdd,
    GroupSend,
    Payload,
    Post,
    SessionWrite,
    Unregister,
)
from trunkline.protocol.names import (
    CONNECT,
    INTERFACE_CHANNELS,
    RECEIVE,
    REQUEST,
    ChannelName,
    GroupName,
    ReplyName,
    split_reply_name,
)

from .background import delay_ms, encode_background
from .contents import connect_payload, frame_payload, http_payload, reply_payload, verdict
from .release import Own, accepted, fold, own_payloads, posts, refused, released

FOREIGN = -1
"""The seq of a SEND that comes from somebody else's handler: nothing drops it."""

NO_OUTBOX = (
    "nothing can be sent here, outside of any handler: send from a handler, or open a connection of your own with "
    "trunkline.worker.outside(redis_url)"
)
ENDED = (
    "the handler of this message has ended, and its effects are committed: await what you start in a handler, or "
    "send through trunkline.worker.outside(redis_url)"
)

Mark = NewType("Mark", int)
"""A place in an outbox to roll back to."""

CURRENT: ContextVar[Outbox] = ContextVar("trunkline_outbox")
"""The outbox of the handler at work. The dispatcher sets it around each handler."""

# Splitting costs more than the rest of an echo; a connection talks more than once. Errors are not cached.
split = lru_cache(maxsize=16_384)(split_reply_name)

_OF_INTERFACES = frozenset(INTERFACE_CHANNELS)
_CHECKS: dict[str, Callable[[object], Payload]] = {CONNECT: connect_payload, REQUEST: http_payload}


def current() -> Outbox:
    """The outbox of the handler at work.

    Raises:
        MessageError: there is none here.
    """
    try:
        return CURRENT.get()
    except LookupError:
        raise MessageError(NO_OUTBOX) from None


class _Ended(list[Any]):
    """Takes the place of an outbox' log when it has been handed out."""

    def append(self, item: object) -> None:
        raise MessageError(ENDED)


_ENDED = _Ended()
# What Post(...) does, without its constructor in Python.
_tuple = tuple.__new__


class FlushHooks(Protocol):
    """What the dispatcher gives an outbox, so that a handler may send before it ends."""

    async def flush(self, outbox: Outbox) -> None:
        """Applies `Outbox.take` within the delivery and returns when it is done."""

    def flush_soon(self, outbox: Outbox) -> None:
        """Applies `Outbox.take` before what the handler does next is committed. Called in the handler's thread; must
        not block or raise."""


class Outbox:
    """The effects of the handlers of one entry.

    Args:
        reply: reply channel of the connection whose entry this is and whose RELEASE is due; None for a background
            message, also for one that carries a reply channel: that connection waits for no release.
        seq: number of the entry's first event.
        channel: of the entry; it decides what the own connection may be sent.
        message_id: id of a background message; by default an event is named by its connection and number.
        hooks: the dispatcher's, for `flush`.

    Raises:
        InvalidName: ``reply`` is no reply channel name.
    """

    __slots__ = (
        "_check",
        "_event",
        "_log",
        "_said",
        "_sends",
        "_taken",
        "channel",
        "connection",
        "hooks",
        "interface",
        "message_id",
        "reply",
        "seq",
    )

    def __init__(
        self,
        reply: ReplyName | None,
        seq: int,
        channel: ChannelName = RECEIVE,
        message_id: str | None = None,
        hooks: FlushHooks | None = None,
    ) -> None:
        self.reply = reply
        self.seq = seq
        self.channel = channel
        self.message_id = message_id
        self.hooks = hooks
        if reply is not None:
            self.interface, self.connection = split(reply)
        self._check = _CHECKS.get(channel, frame_payload)
        self._log: list[Any] = []  # payloads for the own connection, and effects
        self._taken = 0  # how many items have left the log by `take`
        self._said: tuple[Payload, ...] = ()  # what of these were payloads: a connect's verdict looks at all
        self._event = seq
        self._sends = 0

    @classmethod
    def of(cls, entry: Entry, delivery_id: str, hooks: FlushHooks | None = None) -> Outbox:
        """The outbox for an entry, of whatever channel.

        Args:
            entry: the entry.
            delivery_id: the stream's id for it, which stands in for the id a background message came without.
            hooks: the dispatcher's.

        Raises:
            InvalidName: the entry's reply channel is none.
        """
        if entry.channel in _OF_INTERFACES:
            # A redriven event has lost its number, so it cannot name what it sends.
            return cls(entry.reply, entry.seq, entry.channel, delivery_id if entry.seq < 0 else None, hooks)
        return cls(None, 0, entry.channel, entry.id or delivery_id, hooks)

    # ---- what handlers do ----

    def send_reply(self, name: str, content: object) -> None:
        """Sends to a connection, the own or another.

        Raises:
            MessageError: the content is none; or the handler has ended.
            InvalidName: the name is no reply channel's.
        """
        if name == self.reply:
            self._log.append(self._check(content))
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

    def channel_send(self, channel: ChannelName, content: object, delay_s: float = 0.0) -> None:
        """Sends a message to a background channel, ``delay_s`` from now.

        Raises:
            MessageError: the content or the delay is none; or the channel is one of the interface servers'.
        """
        body = encode_background(channel, content, f"{self._message_id()}/{self._sends}")
        self._log.append(ChannelSend(channel, body, delay_ms(delay_s)))
        self._sends += 1

    async def flush(self) -> None:
        """Applies now what was collected so far. See `Message.flush`.

        Raises:
            MessageError: there is nothing to flush through, or the handler has ended.
        """
        if self.hooks is None or type(self._log) is _Ended:
            raise MessageError(ENDED)
        await self.hooks.flush(self)

    def request_flush(self) -> None:
        """Asks for a flush soon (``immediately=True``); without hooks it happens when the handler ends."""
        if self.hooks is not None:
            self.hooks.flush_soon(self)

    # ---- what the dispatcher does ----

    def mark(self, event: int | None = None) -> Mark:
        """The place where the next handler's effects begin.

        Args:
            event: number of the event it handles, which names the messages it sends to other channels.
        """
        if event is not None:
            self._event = event
            self._sends = 0
        return Mark(self._taken + len(self._log))

    def rollback(self, mark: Mark) -> None:
        """Drops every effect since the mark. What was flushed since stays applied."""
        del self._log[max(0, mark - self._taken) :]

    def write_session(self, raw: bytes) -> None:
        """Stores the connection's session, empty bytes delete it."""
        self._log.append(SessionWrite(self.interface, self.connection, raw))

    def dead_letter(self, body: bytes) -> None:
        """Keeps an encoded dead letter."""
        self._log.append(DeadLetter(body))

    def take(self) -> list[Effect]:
        """Hands out the effects so far, for a flush. They are no longer part of the outbox."""
        if type(self._log) is _Ended:
            return []
        # The list stays the same: a handler in another thread may be about to append to it.
        log = self._log[:]
        del self._log[: len(log)]
        self._taken += len(log)
        if self.reply is None:
            return log
        if self.channel == CONNECT:
            self._said += own_payloads(log)
        effects, last = fold(self._address(), log)
        return effects + posts(self._address(), last)

    def release(self) -> list[Effect]:
        """Ends the outbox: its effects, and for a connection's entry the RELEASE with the last own payloads."""
        log, self._log = self._log, _ENDED
        if self.reply is None:
            return log
        if len(log) == 1 and type(log[0]) is str and self.seq >= 0:  # an echo
            return [_tuple(Post, (self.interface, encode_release(self.connection, self.seq, log)))]
        return released(self._address(), log)

    def release_connect(self, path: str, refusal: int | None = None) -> list[Effect]:
        """Ends the outbox of a connect entry: the RELEASE begins with the verdict.

        If the handshake is refused, what the handler did for this connection alone is dropped (its session, its
        groups, its payloads), and what it told others stays (groups, channels, other connections, dead letters).

        Args:
            path: of the handshake, for the disconnect that the reaper publishes should the interface die.
            refusal: refuse with this HTTP status, whatever the handler said.
        """
        log, self._log = self._log, _ENDED
        decided, _ = verdict(self._said + own_payloads(log))
        if refusal is not None:
            decided = {"accept": False, "status": refusal}
        if decided["accept"]:
            return accepted(self._address(), log, decided, path)
        return refused(self._address(), log, decided, flushed=self._taken > 0)

    def release_disconnect(self) -> list[Effect]:
        """Ends the outbox of a disconnect entry: the connection and its session are forgotten last."""
        effects = self.release()
        effects.append(Unregister(self.interface, self.connection))
        return effects

    def _address(self) -> Own:
        return Own(self.interface, self.connection, self.seq, self.reply, self.channel == CONNECT)

    def _message_id(self) -> str:
        if self.message_id is None:
            if self.reply is not None:
                return f"{self.connection}:{self._event}"
            self.message_id = secrets.token_hex(8)
        return self.message_id
