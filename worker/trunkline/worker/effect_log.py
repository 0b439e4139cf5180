"""The effects of the handlers of one entry, in their order, until the commit applies them or nothing does.

One list holds what happened. Payloads for the entry's own connection stand in it as they are (`str`, `bytes`,
`dict`); everything else is an effect. So a rollback is one cut of one list, and `release` folds it at the end.
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import Any, Final, Protocol

from mypy_extensions import mypyc_attr

from trunkline.protocol.codec import encode_text_release
from trunkline.protocol.errors import MessageError
from trunkline.protocol.messages import DeadLetter, Effect, Payload, Post, SessionWrite, SetAside, Unregister
from trunkline.protocol.names import CONNECT, RECEIVE, ChannelName, ReplyName, split_reply_name
from trunkline.protocol.tracks import MAIN

from .contents import verdict
from .release import Own, accepted, fold, own_payloads, posts, refused, released

ENDED: Final = (
    "the handler of this message has ended, and its effects are committed: await what you start in a handler, or "
    "send through trunkline.worker.outside(redis_url)"
)

MAX_EFFECTS = 100_000
"""Of one entry, and of one flush. An effect has up to five arguments, and Redis 6.2 takes 1,048,576 in a call. It
closes the connection of one with more, which would be sent again for ever."""

BEGIN: Final = 0
"""The mark at which every log begins. A mark is a place in a log to roll back to."""

# Splitting costs more than the rest of an echo; a connection talks more than once. Errors are not cached.
split: Final = lru_cache(maxsize=16_384)(split_reply_name)


@mypyc_attr(native_class=False)
class _Ended(list[Any]):
    """Takes the place of a log's list when it has been handed out."""

    def append(self, item: object) -> None:
        raise MessageError(ENDED)


ENDED_LOG: Final = _Ended()
# What Post(...) does, without its constructor in Python.
_tuple: Final = tuple.__new__


class FlushHooks(Protocol):
    """What lets a handler send before it ends."""

    async def flush_log(self, outbox: EffectLog) -> None:
        """Applies `EffectLog.take` within the delivery and returns when it is done."""

    def flush_log_soon(self, outbox: EffectLog) -> None:
        """Applies `EffectLog.take` before what the handler does next is committed. Called in the handler's thread; must
        not block or raise."""

    def log_fields(self) -> dict[str, Any]:
        """What a log line says of the message at work."""
        ...


@mypyc_attr(allow_interpreted_subclasses=True)
class EffectLog:
    """What a dispatcher does with the effects of one entry; `outbox.Outbox` adds what handlers do, and `course.Course`
    the handlers themselves.

    Args:
        reply: reply channel of the connection whose entry this is and whose RELEASE is due; None for a background
            message, also for one that carries a reply channel: that connection waits for no release.
        seq: number of the entry's first event.
        channel: of the entry; it decides what the own connection may be sent.
        message_id: id of a background message; by default an event is named by its connection and number.
        hooks: for `outbox.Outbox.flush`; None where nothing can be sent early.

    Raises:
        InvalidName: ``reply`` is no reply channel name.
    """

    __slots__ = (
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
        # Payloads for the own connection, and effects: a list. Not said to be one, or compiled code would append by
        # itself, and not ask what has ended, which refuses.
        self._log: Any = []
        self._taken = 0  # how many items have left the log by `take`
        self._said: tuple[Payload, ...] = ()  # what of these were payloads: a connect's verdict looks at all
        self._event = seq
        self._sends = 0

    def mark(self, event: int | None = None) -> int:
        """The place where the next handler's effects begin.

        Args:
            event: number of the event it handles, which names the messages it sends to other channels.
        """
        if event is not None:
            self._event = event
            self._sends = 0
        return self._taken + len(self._log)

    def rollback(self, mark: int) -> None:
        """Drops every effect since the mark. What was flushed since stays applied."""
        del self._log[max(0, mark - self._taken) :]

    def check_size(self) -> None:
        """What was sent so far must go to Redis in one call.

        Raises:
            MessageError: it is too much for one.
        """
        if len(self._log) > MAX_EFFECTS:
            raise MessageError(
                f"{len(self._log)} messages and group changes at once: expected at most {MAX_EFFECTS}; send to a "
                "group, or some of them by `await message.flush()` before the others"
            )

    def write_session(self, raw: bytes) -> None:
        """Stores the connection's session, empty bytes delete it."""
        self._log.append(SessionWrite(self.interface, self.connection, raw))

    def dead_letter(self, body: bytes) -> None:
        """Keeps an encoded dead letter."""
        self._log.append(DeadLetter(body))

    def set_aside(self, effect: SetAside) -> None:
        """Has the event at work delivered again later."""
        self._log.append(effect)

    @property
    def ended(self) -> bool:
        """Whether the effects were handed out for good."""
        return type(self._log) is _Ended

    def take(self) -> list[Effect]:
        """Hands out the effects so far, for a flush. They are no longer part of the outbox."""
        if self.ended:
            return []
        # The list stays the same: a handler in another thread may be about to append to it.
        log: list[Any] = self._log[:]
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
        log: list[Any] = self._log
        self._log = ENDED_LOG
        if self.reply is None:
            return log
        if len(log) == 1 and self.seq >= 0:
            item = log[0]
            if type(item) is str:  # an echo
                return [_tuple(Post, (self.interface, encode_text_release(self.connection, self.seq, item)))]
        return released(self._address(), log)

    def release_connect(self, path: str, refusal: int | None = None, track: str = MAIN) -> list[Effect]:
        """Ends the outbox of a connect entry: the RELEASE begins with the verdict.

        If the handshake is refused, what the handler did for this connection alone is dropped (its session, its
        groups, its payloads), and what it told others stays (groups, channels, other connections, dead letters).

        Args:
            path: of the handshake, for the disconnect that the reaper publishes should the interface die.
            refusal: refuse with this HTTP status, whatever the handler said.
            track: that the connection is on.
        """
        log: list[Any] = self._log
        self._log = ENDED_LOG
        decided, _ = verdict(self._said + own_payloads(log))
        if refusal is not None:
            decided = {"accept": False, "status": refusal}
        if decided["accept"]:
            return accepted(self._address(), log, decided, path, track)
        return refused(self._address(), log, decided, flushed=self._taken > 0)

    def release_disconnect(self) -> list[Effect]:
        """Ends the outbox of a disconnect entry: the connection and its session are forgotten last."""
        effects = self.release()
        effects.append(Unregister(self.interface, self.connection))
        return effects

    def _address(self) -> Own:
        return Own(self.interface, self.connection, self.seq, self.reply, self.channel == CONNECT)

    def event_id(self) -> str:
        """Idempotency key of the event at work; it names what its handler sends."""
        if self.message_id is None:
            if self.reply is not None:
                return f"{self.connection}:{self._event}"
            self.message_id = secrets.token_hex(8)
        return self.message_id
