"""A job: one delivered entry on its way through its handlers to its outcome. Does no I/O."""

from __future__ import annotations

import time
import traceback
from typing import NamedTuple, Protocol

from trunkline.protocol.codec import encode_dead_letter, encode_entry
from trunkline.protocol.errors import ConsumerFinished, DenyConnection
from trunkline.protocol.messages import (
    Content,
    DeadLetter,
    DeadLetterRecord,
    Delivery,
    Effect,
    Entry,
    Outcome,
    SessionWrite,
)
from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, REQUEST, ConnectionId

from .message import Message, contents
from .outbox import Mark, Outbox, split
from .routing import Match, Routing
from .sessions import HeldSession

INTERNAL_ERROR = 1011
"""Close code of a connection whose handler failed (RFC 6455 7.4.1)."""
POISON_ATTEMPTS = 3
"""An entry whose worker died under it so often is not tried again."""


class Step(NamedTuple):
    """One event and the handler it goes to; no match where no route takes it."""

    content: Content
    match: Match | None


class Flusher(Protocol):
    """What a job needs to send before its end."""

    async def flush(self, delivery: Delivery, effects: list[Effect]) -> None:
        """Applies effects within a delivery and returns when that is done."""

    def flush_soon(self, delivery: Delivery, outbox: Outbox) -> None:
        """Takes the outbox' effects as soon as the event loop runs and applies them. From any thread."""


class Job:
    """Carries an entry through its handlers.

    The dispatcher calls `begin` and, as it sees fit for the kind of handler, runs it and calls `succeed` or `fail`,
    for each step in turn, and then `finish`.

    Args:
        delivery: as the layer gave it.
        entry: decoded.
        routing: where handlers are found.
        flusher: applies what a handler wants sent before it ends.
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
        "step",
        "steps",
        "wrote_session",
    )

    def __init__(self, delivery: Delivery, entry: Entry, routing: Routing, flusher: Flusher) -> None:
        self.delivery = delivery
        self.entry = entry
        self._routing = routing
        match = routing.match
        channel = entry.channel
        self.steps = [Step(content, match(channel, content)) for content in contents(entry)]
        self._flusher = flusher
        self.outbox = Outbox.of(entry, delivery.id, self)
        self.step = 0
        self.wrote_session = False
        self.held: HeldSession | None = None
        self.asynchronous = False
        for step in self.steps:
            if step.match is not None and step.match.route.is_async:
                self.asynchronous = True
        self._mark = Mark(0)
        self._refusal: int | None = None

    @property
    def session_of(self) -> ConnectionId | None:
        """The connection whose session a handler of this job asked for."""
        if self.entry.reply is None:
            return None
        for step in self.steps:
            if step.match is not None and step.match.route.wants_session:
                return split(self.entry.reply)[1]
        return None

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
        self.step = index
        self._mark = self.outbox.mark(entry.seq + index)
        wants = step.match is not None and step.match.route.wants_session
        return Message(step.content, entry, index, self.delivery, self.held if wants else None)

    def unrouted(self) -> None:
        """No route takes the step's event: what that means depends on the channel."""
        entry = self.entry
        if entry.channel == CONNECT:
            # Without a connect route a connection is accepted if another route could ever take something of it.
            if entry.path is None or not self._routing.could_match(entry.path):
                self._refusal = 404
        elif entry.channel == REQUEST and entry.reply is not None:
            self.outbox.send_reply(entry.reply, {"status": 404, "content": b"no route for this path\n"})

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
        self.outbox.dead_letter(self._letter(self.step, error, worker, reason, session))
        match = self.steps[self.step].match
        if match is not None and match.route.on_error.kind == "close" and self.entry.channel == RECEIVE:
            self.outbox.send_reply(self.entry.reply or "", {"close": INTERNAL_ERROR})
        self._answer_failure(500)

    def condemn(self, worker: str, reason: str, error: BaseException) -> None:
        """The whole entry becomes dead letters without being tried."""
        for index in range(len(self.steps)):
            self.outbox.dead_letter(self._letter(index, error, worker, reason, b""))
        self._answer_failure(500)

    def finish(self) -> Outcome:
        """The outcome to commit."""
        self.outbox.hooks = (
            None  # job and outbox hold each other; nobody should wait for the garbage collector
        )
        session = self.held.write() if self.held is not None else None
        self.wrote_session = session is not None
        return Outcome(self.delivery, self._released(session))

    def _released(self, session: bytes | None) -> list[Effect]:
        channel, outbox, entry = self.entry.channel, self.outbox, self.entry
        if session is not None and outbox.reply is not None:
            outbox.write_session(session)
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
            self.outbox.send_reply(self.entry.reply, {"status": status, "content": b"the handler failed\n"})

    def _letter(self, index: int, error: BaseException, worker: str, reason: str, session: bytes) -> bytes:
        entry = self.entry
        single = entry._replace(seq=entry.seq + index, events=[entry.events[index]])
        match = self.steps[index].match
        return encode_dead_letter(
            DeadLetterRecord(
                id="",
                reason=reason,
                channel=entry.channel,
                body=encode_entry(single),
                route=match.route.name if match is not None else "",
                error=_described(error),
                traceback="".join(traceback.format_exception(error)),
                attempt=self.delivery.attempt,
                worker=worker,
                session=session,
                time_s=time.time(),
            )
        )


def garbage(delivery: Delivery, error: Exception, worker: str) -> Outcome:
    """The outcome of an entry that cannot be decoded: its bytes as they were, in the dead-letter store."""
    record = DeadLetterRecord(
        "",
        "garbage",
        delivery.channel,
        delivery.body,
        "",
        _described(error),
        "",
        delivery.attempt,
        worker,
        b"",
        time.time(),
    )
    return Outcome(delivery, [DeadLetter(encode_dead_letter(record))])


def _described(error: BaseException) -> str:
    text = str(error).encode("utf-8", "backslashreplace").decode()
    return f"{type(error).__name__}: {text}"
