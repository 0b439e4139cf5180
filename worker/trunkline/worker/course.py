"""The course of an entry through its handlers: each step's message, what it leaves, the outcome. Does no I/O."""

from __future__ import annotations

from typing import Any

from trunkline.protocol.errors import CodecError, ConsumerFinished, DenyConnection
from trunkline.protocol.messages import LAST_SEQ, Delivery, Entry, Outcome
from trunkline.protocol.names import CONNECT, INTERFACE_CHANNELS, RECEIVE, ConnectionId

from .effect_log import BEGIN, EffectLog, split
from .ending import released
from .flusher import Flusher
from .message import Message, content_of
from .outbox import Outbox
from .routing import Routing
from .sessions import HeldSession

_OF_INTERFACES = frozenset(INTERFACE_CHANNELS)

# What a named tuple's constructor does, without the one in Python: these are made for every event.
_tuple = tuple.__new__


class Course:
    """What a job is while nothing fails.

    Args:
        delivery: as the layer gave it.
        entry: decoded.
        routing: where handlers are found.
        flusher: applies what a handler wants sent before it ends.

    Attributes:
        matches: for each event the handler that it goes to, with what its route captured; None where no route takes it.
        step: index of the step at work.
        tries: how often that step has failed and was or will be tried again.
        refusal: the status with which its handshake is refused, None to let the handler decide.
        session_of: the connection whose session a handler of this job asked for.
        asynchronous: one of its handlers is an `async def`.

    Raises:
        CodecError: the entry cannot have come from an interface server, though its channel says so.
        InvalidName: its reply channel is none.
    """

    __slots__ = (
        "_flusher",
        "_mark",
        "asynchronous",
        "delivery",
        "entry",
        "held",
        "matches",
        "outbox",
        "refusal",
        "routing",
        "session_of",
        "step",
        "tries",
        "wrote_session",
    )

    def __init__(self, delivery: Delivery, entry: Entry, routing: Routing, flusher: Flusher) -> None:
        channel, reply, _, seq, _, _, tries = entry
        if seq > LAST_SEQ or (reply is None and channel in _OF_INTERFACES):
            raise CodecError(
                f"an entry of {channel}: a reply channel and a seq up to {LAST_SEQ}", delivery.body
            )
        self.delivery = delivery
        self.entry = entry
        self.routing = routing
        self._flusher = flusher
        if seq >= 0 and channel in _OF_INTERFACES:  # somebody waits for it: most entries, and all is known
            self.outbox = Outbox(reply, seq, channel, None, self)
        else:
            self.outbox = Outbox.of(entry, delivery.id, self)
        self.step = 0
        self.tries = tries
        self._mark = BEGIN
        self.refusal: int | None = None
        self.held: HeldSession | None = None
        self.wrote_session = False
        self.matches, self.asynchronous, wants_session = routing.plan(entry)
        self.session_of: ConnectionId | None = None
        if wants_session and reply is not None:
            self.session_of = split(reply)[1]

    async def flush(self, outbox: EffectLog) -> None:
        """See `FlushHooks.flush`."""
        await self._flusher.flush(self.delivery, outbox.take())

    def flush_soon(self, outbox: EffectLog) -> None:
        """See `FlushHooks.flush_soon`."""
        self._flusher.flush_soon(self.delivery, outbox)

    @property
    def begun(self) -> bool:
        """Whether a handler of it has failed here and is to be tried again."""
        return self.tries > self.entry.tries

    @property
    def route(self) -> str:
        """The name of the route of the step at work, ``-`` if it has none."""
        match = self.matches[self.step]
        return match.route.name if match is not None else "-"

    def log_fields(self) -> dict[str, Any]:
        """See `FlushHooks.log_fields`."""
        reply = self.entry.reply
        fields = {"channel": self.entry.channel, "route": self.route}
        return fields if reply is None else {**fields, "connection": split(reply)[1]}

    def __str__(self) -> str:
        connection = split(self.entry.reply)[1] if self.entry.reply is not None else "-"
        return f"channel={self.entry.channel} route={self.route} connection={connection}"

    def begin(self, index: int) -> Message:
        """The message for a step's handler."""
        if index or self.tries:  # else all is as it was made, for the first event
            self._go_on(index)
        session = self.held
        if session is not None:
            match = self.matches[index]
            if match is None or not match.route.wants_session:
                session = None
        return Message(content_of(self.entry, index), self.entry, index, self.delivery, session)

    def _go_on(self, index: int) -> None:
        """Takes the step at work to another event, or lets it begin again."""
        if index != self.step:
            self.step = index
            self.tries = 0
        self._mark = self.outbox.mark(self.entry.seq + index)

    def succeed(self) -> None:
        """The step's handler has ended well.

        Raises:
            SessionError: what it left in the session cannot be stored: the runner then calls `job.Job.fail` with it.
            MessageError: the same for more than can be sent at once.
        """
        self.outbox.check_size()
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
        if isinstance(error, DenyConnection) and self.entry.channel == CONNECT:
            self.refusal = error.status
            return "refused"
        return None

    def undo(self) -> None:
        """Drops what the step's handler did."""
        self.outbox.rollback(self._mark)
        if self.held is not None:
            self.held.drop()

    def finish(self) -> Outcome:
        """The outcome to commit."""
        outbox, held = self.outbox, self.held
        # Job and outbox hold each other; nobody should wait for the garbage collector.
        outbox.hooks = None
        if held is None and outbox.channel == RECEIVE:
            return _tuple(Outcome, (self.delivery, outbox.release()))
        session = held.write() if held is not None else None
        self.wrote_session = session is not None
        return _tuple(
            Outcome,
            (self.delivery, released(outbox, self.entry, session, self.refusal, self.delivery.channel)),
        )
