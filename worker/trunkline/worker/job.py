"""A job: one delivered entry on its way through its handlers to its outcome. Does no I/O."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from trunkline.protocol.errors import CodecError, ConsumerFinished, DenyConnection
from trunkline.protocol.messages import LAST_SEQ, Content, Delivery, Effect, Entry, Outcome, SessionWrite
from trunkline.protocol.names import (
    CONNECT,
    DISCONNECT,
    INTERFACE_CHANNELS,
    RECEIVE,
    REQUEST,
    ConnectionId,
)

from .letters import Failure, UnroutedError, letter
from .message import Message, contents
from .outbox import Mark, Outbox, split
from .routing import Match, Routing
from .sessions import HeldSession

INTERNAL_ERROR = 1011
"""Close code of a connection whose handler failed (RFC 6455 7.4.1)."""
POISON_ATTEMPTS = 3
"""An entry whose worker died under it so often is not tried again."""

_OF_INTERFACES = frozenset(INTERFACE_CHANNELS)


class Step(NamedTuple):
    """One event and the handler it goes to; no match where no route takes it."""

    content: Content
    match: Match | None


# What a named tuple's constructor does, without the one in Python: these are made for every event.
_tuple = tuple.__new__


class Flusher(Protocol):
    """What a job needs to send before its end."""

    async def flush(self, delivery: Delivery, effects: list[Effect]) -> None:
        """Applies effects within a delivery and returns when that is done."""

    def flush_soon(self, delivery: Delivery, outbox: Outbox) -> None:
        """Applies the outbox' effects as soon as the event loop runs. In the thread of the handler."""


class Job:
    """Carries an entry through its handlers.

    The runner calls `begin`, runs the handler as befits its kind and calls `succeed` or `fail`, for each step in turn;
    the dispatcher then calls `finish`. A handler that is to be tried again leaves the job at its step, see `retry`.

    Args:
        delivery: as the layer gave it.
        entry: decoded.
        routing: where handlers are found.
        flusher: applies what a handler wants sent before it ends.

    Attributes:
        step: index of the step at work.
        tries: how often that step failed and is to be tried again.
        session_of: the connection whose session a handler of this job asked for.
        asynchronous: one of its handlers is an `async def`.

    Raises:
        CodecError: the entry cannot have come from an interface server, though its channel says so.
        InvalidName: its reply channel is none.
    """

    __slots__ = (
        "_flusher",
        "_mark",
        "_refusal",
        "_routing",
        "asynchronous",
        "delivery",
        "entry",
        "held",
        "outbox",
        "session_of",
        "step",
        "steps",
        "tries",
        "wrote_session",
    )

    def __init__(self, delivery: Delivery, entry: Entry, routing: Routing, flusher: Flusher) -> None:
        channel, reply = entry.channel, entry.reply
        if entry.seq > LAST_SEQ or (reply is None and channel in _OF_INTERFACES):
            raise CodecError(
                f"an entry of {channel}: a reply channel and a seq up to {LAST_SEQ}", delivery.body
            )
        self.delivery = delivery
        self.entry = entry
        self._routing = routing
        match = routing.match
        self.steps = [_tuple(Step, (content, match(channel, content))) for content in contents(entry)]
        self._flusher = flusher
        self.outbox = Outbox.of(entry, delivery.id, self)
        self.step = 0
        self.tries = 0
        self.wrote_session = False
        self.held: HeldSession | None = None
        self.asynchronous = False
        self.session_of: ConnectionId | None = None
        # Looked at even where no handler does: a log line of this job names it.
        connection = split(reply)[1] if reply is not None else None
        for _, found in self.steps:
            if found is not None:
                route = found.route
                if route.is_async:
                    self.asynchronous = True
                if route.wants_session:
                    self.session_of = connection
        self._mark = Mark(0)
        self._refusal: int | None = None

    async def flush(self, outbox: Outbox) -> None:
        """See `FlushHooks.flush`."""
        await self._flusher.flush(self.delivery, outbox.take())

    def flush_soon(self, outbox: Outbox) -> None:
        """See `FlushHooks.flush_soon`."""
        self._flusher.flush_soon(self.delivery, outbox)

    def __str__(self) -> str:
        match = self.steps[self.step].match
        connection = split(self.entry.reply)[1] if self.entry.reply is not None else "-"
        route = match.route.name if match is not None else "-"
        return f"channel={self.entry.channel} route={route} connection={connection}"

    def begin(self, index: int) -> Message:
        """The message for a step's handler."""
        step = self.steps[index]
        entry = self.entry
        if index != self.step:
            self.step = index
            self.tries = 0
        self._mark = self.outbox.mark(entry.seq + index)
        wants = step.match is not None and step.match.route.wants_session
        # A try before may have changed what it was given.
        content = contents(entry)[index] if self.tries else step.content
        return Message(content, entry, index, self.delivery, self.held if wants else None)

    @property
    def pause_s(self) -> float:
        """Seconds to wait before the step is tried again; each wait is twice as long as the one before."""
        match = self.steps[self.step].match
        return match.route.on_error.backoff_s * 2.0 ** (self.tries - 1) if match is not None else 0.0

    def retry(self) -> bool:
        """The step's handler has failed. True if its route wants it tried again: then what it did is dropped."""
        match = self.steps[self.step].match
        if match is None or match.route.on_error.kind != "retry" or self.tries >= match.route.on_error.times:
            return False
        self.tries += 1
        self.undo()
        return True

    def unrouted(self, worker: str) -> bool:
        """No route takes the step's event: what that means depends on the channel.

        Returns:
            Whether it became a dead letter.
        """
        entry, channel = self.entry, self.entry.channel
        if channel == CONNECT:
            # Without a connect route a connection is accepted if another route could ever take something of it.
            if entry.path is None or not self._routing.could_match(entry.path):
                self._refusal = 404
        elif channel == REQUEST and entry.reply is not None:
            self.outbox.send_reply(entry.reply, _text(404, "no route for this path"))
        elif channel not in _OF_INTERFACES:
            # Somebody sent it to be handled, and nobody is told: it is kept until a route takes it.
            error = UnroutedError(
                f"no route of channel {channel!r} takes this message; look at their filters"
            )
            self._bury(self.step, Failure("unrouted", error, worker))
            return True
        return False

    def succeed(self) -> None:
        """The step's handler has ended well.

        Raises:
            SessionError: what it left in the session cannot be stored: the dispatcher then calls `fail` with it.
        """
        if self.held is not None:
            self.held.keep()

    def end_by(self, error: BaseException) -> str | None:
        """Whether a handler raised to say something rather than because it failed.

        Returns:
            The outcome's name, None for a failure.

        Raises:
            SessionError: as `succeed`.
        """
        if isinstance(error, ConsumerFinished):
            self.succeed()
            return "ok"
        if isinstance(error, DenyConnection) and self.entry.channel == CONNECT:
            self._refusal = error.status
            return "refused"
        return None

    def undo(self) -> None:
        """Drops what the step's handler did."""
        self.outbox.rollback(self._mark)
        if self.held is not None:
            self.held.drop()

    def fail(self, error: BaseException, worker: str, reason: str) -> None:
        """The step's handler has failed: its effects are dropped, a dead letter is kept, the connection goes on or,
        if the route says so, is closed."""
        session = self.held.raw if self.held is not None else b""
        self.undo()
        self._bury(self.step, Failure(reason, error, worker, session, self.tries + 1))
        match = self.steps[self.step].match
        if match is not None and match.route.on_error.kind == "close" and self.entry.channel == RECEIVE:
            self.outbox.send_reply(self.entry.reply or "", {"close": INTERNAL_ERROR})
        self._answer_failure(500)

    def condemn(self, worker: str, reason: str, error: BaseException) -> None:
        """The whole entry becomes dead letters without being tried."""
        for index in range(len(self.steps)):
            self._bury(index, Failure(reason, error, worker))
        self._answer_failure(500)

    def finish(self) -> Outcome:
        """The outcome to commit."""
        # Job and outbox hold each other; nobody should wait for the garbage collector.
        self.outbox.hooks = None
        session = self.held.write() if self.held is not None else None
        self.wrote_session = session is not None
        return _tuple(Outcome, (self.delivery, self._released(session)))

    def _released(self, session: bytes | None) -> list[Effect]:
        outbox, entry = self.outbox, self.entry
        channel = entry.channel
        if session is not None and outbox.reply is not None:
            outbox.write_session(session)
        if channel == RECEIVE:
            return outbox.release()
        if channel == CONNECT:
            return outbox.release_connect(entry.path or "", self._refusal)
        if channel == DISCONNECT:
            return outbox.release_disconnect()
        effects = outbox.release()
        if session is not None and outbox.reply is None and entry.reply is not None:
            effects.append(SessionWrite(*split(entry.reply), session))
        return effects

    def _answer_failure(self, status: int) -> None:
        if self.entry.channel == CONNECT:
            self._refusal = status
        elif self.entry.channel == REQUEST and self.entry.reply is not None:
            self.outbox.send_reply(self.entry.reply, _text(status, "the handler failed"))

    def _bury(self, index: int, failure: Failure) -> None:
        found = self.steps[index].match
        made = letter(self.delivery, self.entry, index, found, failure, self._routing.code_version)
        self.outbox.dead_letter(made)


def _text(status: int, text: str) -> Content:
    """A small HTTP answer of the worker's own. Without a content type a browser would not show it."""
    return {
        "status": status,
        "headers": [["content-type", "text/plain; charset=utf-8"]],
        "content": f"{text}\n".encode(),
    }
