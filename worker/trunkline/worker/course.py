"""The course of an entry through its handlers: each step's message, what it leaves, the outcome. Does no I/O."""

from __future__ import annotations

from typing import Any, Final, Self

from mypy_extensions import mypyc_attr

from trunkline.protocol.errors import CodecError, ConsumerFinished, DenyConnection
from trunkline.protocol.messages import LAST_SEQ, Delivery, Entry, Outcome
from trunkline.protocol.names import CONNECT, INTERFACE_CHANNELS, RECEIVE, ChannelName, ConnectionId

from .channels import ReplyChannel, reply_channel_of
from .effect_log import BEGIN, EffectLog
from .ending import released
from .events import Fields, content_of
from .flusher import Flusher
from .message import Message
from .outbox import FOREIGN, Outbox
from .routing import Routing
from .sessions import HeldSession

_OF_INTERFACES: Final = frozenset(INTERFACE_CHANNELS)

# What a named tuple's constructor does, without the one in Python: these are made for every event.
_tuple: Final = tuple.__new__


@mypyc_attr(allow_interpreted_subclasses=True)
class Course(Outbox):
    """What a job is while nothing fails: the outbox of its entry, and more. One object and not two that hold each
    other, because one is made for every entry.

    Made as it is for an entry of an interface server that waits for its release, as most are; by `of` for any.

    Args:
        delivery: as the layer gave it.
        channel: of the entry.
        fields: of the entry.
        routing: where handlers are found.
        flusher: applies what a handler wants sent before it ends.

    Attributes:
        reply_channel: that the entry names, None if it names none.
        fields: of the entry.
        plan: what is done with its events.
        step: index of the step at work.
        tries: how often that step has failed and was or will be tried again.
        refusal: the status with which its handshake is refused, None to let the handler decide.
        held: the session of its connection, if a handler asked for it.

    Raises:
        InvalidName: its reply channel is none.
    """

    __slots__ = (
        "_entry",
        "_flusher",
        "_mark",
        "delivery",
        "fields",
        "held",
        "plan",
        "refusal",
        "reply_channel",
        "routing",
        "step",
        "tries",
    )

    def __init__(
        self, delivery: Delivery, channel: ChannelName, fields: Fields, routing: Routing, flusher: Flusher
    ) -> None:
        reply, _, seq, _ = fields
        # What `EffectLog` does, which is not called for it.
        self.reply = reply
        self.seq = self._event = seq
        self.channel = channel
        self.message_id = None
        self.hooks = self
        self._log = []
        self._taken = self._sends = 0
        self._said = ()
        self.reply_channel: ReplyChannel | None = None
        if reply is not None:
            own = self.reply_channel = reply_channel_of(reply)
            self.interface, self.connection = own.interface, own.connection
        self.delivery = delivery
        self.fields = fields
        self._entry: Entry | None = None
        self.routing = routing
        self._flusher = flusher
        self.step = self.tries = 0
        self._mark = BEGIN
        self.refusal: int | None = None
        self.held: HeldSession | None = None
        self.plan = routing.plan(channel, fields)

    @classmethod
    def of(cls, delivery: Delivery, entry: Entry, routing: Routing, flusher: Flusher) -> Self:
        """The course of any entry.

        Args:
            delivery: as the layer gave it.
            entry: decoded.
            routing: where handlers are found.
            flusher: applies what a handler wants sent before it ends.

        Raises:
            CodecError: the entry cannot have come from an interface server, though its channel says so.
            InvalidName: its reply channel is none.
        """
        channel, *fields, message_id, tries = entry
        of_interfaces = channel in _OF_INTERFACES
        if entry.seq > LAST_SEQ or (entry.reply is None and of_interfaces):
            raise CodecError(
                f"an entry of {channel}: a reply channel and a seq up to {LAST_SEQ}", delivery.body
            )
        made = cls(delivery, channel, fields, routing, flusher)
        made._entry = entry
        made.tries = tries
        if not of_interfaces:  # nobody waits for it, also where it carries a reply channel
            made.reply = None
            made.seq = made._event = 0
        elif entry.seq < 0:  # set aside or redriven: its number, which names what it sends, is in its id
            made.seq = made._event = FOREIGN
        else:
            return made
        made.message_id = message_id or delivery.id
        return made

    @property
    def entry(self) -> Entry:
        """The entry; made when it is asked for, which is when something is out of the ordinary."""
        if self._entry is None:
            self._entry = Entry(self.channel, *self.fields)
        return self._entry

    async def flush_log(self, outbox: EffectLog) -> None:
        """See `FlushHooks.flush_log`."""
        await self._flusher.flush(self.delivery, outbox.take())

    def flush_log_soon(self, outbox: EffectLog) -> None:
        """See `FlushHooks.flush_log_soon`."""
        self._flusher.flush_soon(self.delivery, outbox)

    @property
    def session_of(self) -> ConnectionId | None:
        """The connection whose session a handler of this job asks for."""
        return self.connection if self.plan.wants_session and self.reply_channel is not None else None

    @property
    def begun(self) -> bool:
        """Whether a handler of it has failed here and is to be tried again."""
        return self.tries > self.entry.tries

    @property
    def route(self) -> str:
        """The name of the route of the step at work, ``-`` if it has none."""
        match = self.plan.matches[self.step]
        return match.route.name if match is not None else "-"

    def log_fields(self) -> dict[str, Any]:
        """See `FlushHooks.log_fields`."""
        fields = {"channel": self.channel, "route": self.route}
        return fields if self.reply_channel is None else {**fields, "connection": self.connection}

    def __str__(self) -> str:
        connection = self.connection if self.reply_channel is not None else "-"
        return f"channel={self.channel} route={self.route} connection={connection}"

    def begin(self, index: int) -> Message:
        """The message for a step's handler."""
        if index or self.tries:  # else all is as it was made, for the first event
            self._go_on(index)
        session = self.held
        if session is not None:
            match = self.plan.matches[index]
            if match is None or not match.route.wants_session:
                session = None
        return Message(content_of(self.channel, self.fields, index), self, index, session)

    def _go_on(self, index: int) -> None:
        """Takes the step at work to another event, or lets it begin again."""
        if index != self.step:
            self.step = index
            self.tries = 0
        self._mark = self.mark(self.fields[2] + index)

    def succeed(self) -> None:
        """The step's handler has ended well.

        Raises:
            SessionError: what it left in the session cannot be stored: the runner then calls `job.Job.fail` with it.
            MessageError: the same for more than can be sent at once.
        """
        self.check_size()
        if self.held is not None:
            self.held.keep()

    def end_by(self, error: BaseException) -> str | None:
        """Whether a handler raised to say something rather than because it failed.

        Returns:
            The outcome's name, None for a failure.

        Raises:
            SessionError: as `succeed`.
            MessageError: as `succeed`.
        """
        if isinstance(error, ConsumerFinished):
            self.succeed()
            return "ok"
        if isinstance(error, DenyConnection) and self.channel == CONNECT:
            self.refusal = error.status
            return "refused"
        return None

    def undo(self) -> None:
        """Drops what the step's handler did."""
        self.rollback(self._mark)
        if self.held is not None:
            self.held.drop()

    def finish(self) -> Outcome:
        """The outcome to commit."""
        held = self.held
        self.hooks = None  # which it is itself; nobody should wait for the garbage collector
        if held is None and self.channel == RECEIVE:
            return _tuple(Outcome, (self.delivery, self.release()))
        session = held.write() if held is not None else None
        return _tuple(
            Outcome,
            (self.delivery, released(self, self.fields, session, self.refusal, self.delivery.channel)),
        )
