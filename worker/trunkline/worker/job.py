"""A job: one delivered entry on its way through its handlers, and what becomes of it when one fails. Does no I/O."""

from __future__ import annotations

from random import random
from typing import Final

from mypy_extensions import mypyc_attr

from trunkline.protocol.codec import encode_marked
from trunkline.protocol.messages import SetAside
from trunkline.protocol.names import CONNECT, INTERFACE_CHANNELS, RECEIVE, REQUEST

from .course import Course
from .ending import text_answer
from .error_policy import DEAD
from .flusher import Flusher as Flusher
from .letters import Failure, UnroutedError, letter
from .outbox import FOREIGN

INTERNAL_ERROR: Final = 1011
"""Close code of a connection whose handler failed (RFC 6455 7.4.1)."""
POISON_ATTEMPTS: Final = 3
"""An entry whose worker died under it so often is not tried again."""

_OF_INTERFACES: Final = frozenset(INTERFACE_CHANNELS)


@mypyc_attr(allow_interpreted_subclasses=True)
class Job(Course):
    """Carries an entry through its handlers.

    The runner calls `begin`, runs the handler as befits its kind and calls `succeed` or `fail`, for each step in turn;
    the dispatcher then calls `finish`. A handler that is to be tried again may leave the job at its step: `try_again`.

    Attributes:
        pause_s: seconds until its step is tried again, as `try_again` has said.
    """

    __slots__ = ("pause_s",)

    pause_s: float

    def try_again(self, error: BaseException, worker: str) -> str | None:
        """The step's handler has failed: what its route wants done about it.

        Returns:
            ``retry``: try the step again in `pause_s`; ``set_aside``: it will be delivered again, and the job goes on
            with its other steps; None: call `fail`. But for the last, what the step did is dropped.
        """
        match = self.plan.matches[self.step]
        if match is None:
            return None
        route, entry = match.route, self.entry
        # A worker that died under it may have called the handler.
        pause_s = route.on_error.next_pause_s(error, self.tries + self.delivery.attempt, random())
        if pause_s is None:
            return None
        # What was redriven waits in its place as well: other letters of its connection go back behind it.
        if route.ordered and entry.seq != FOREIGN:
            self.tries += 1
            self.pause_s = pause_s
            self.undo()
            return "retry"
        kept = self._letter(self.step, self._failure("delayed_full", error, worker))
        self.undo()
        again = entry._replace(
            seq=min(entry.seq, FOREIGN) if entry.path is not None else entry.seq,
            events=[entry.events[self.step]],
            id=self.event_id(),
            tries=self.tries + 1,
        )
        self.pause_s = pause_s
        self.set_aside(SetAside(self.delivery.channel, encode_marked(again), round(pause_s * 1000), kept))
        return "set_aside"

    def unrouted(self, worker: str) -> bool:
        """No route takes the step's event: what that means depends on the channel.

        Returns:
            Whether it became a dead letter.
        """
        entry, channel = self.entry, self.channel
        if channel == CONNECT:
            # Without a connect route a connection is accepted if another route could ever take something of it.
            if entry.path is None or not self.routing.could_match(entry.path):
                self.refusal = 404
        elif channel == REQUEST and entry.reply is not None:
            self.send_reply(entry.reply, text_answer(404, "no route for this path"))
        elif channel not in _OF_INTERFACES:
            # Somebody sent it to be handled, and nobody is told: it is kept until a route takes it.
            error = UnroutedError(
                f"no route of channel {channel!r} takes this message; look at their filters"
            )
            self._bury(self.step, Failure("unrouted", error, worker))
            return True
        return False

    def fail(self, error: BaseException, worker: str, reason: str) -> None:
        """The step's handler has failed: its effects are dropped, a dead letter is kept, the connection goes on or,
        if the route says so, is closed."""
        match = self.plan.matches[self.step]
        policy = match.route.on_error if match is not None else DEAD
        bound = policy.bound(error)
        if bound is not None:
            note = f"failed {self.tries + self.delivery.attempt} times: as often as {bound!r} allows"
            if note not in getattr(error, "__notes__", ()):  # one that is raised over and over must not grow
                error.add_note(note)
        failure = self._failure(reason, error, worker)
        self.undo()
        self._bury(self.step, failure)
        if policy.kind == "close" and self.channel == RECEIVE:
            self.send_reply(self.reply or "", {"close": INTERNAL_ERROR})
        self._answer_failure(500)

    def condemn(self, worker: str, reason: str, error: BaseException) -> None:
        """The whole entry becomes dead letters without being tried."""
        for index in range(len(self.plan.matches)):
            self._bury(index, Failure(reason, error, worker))
        self._answer_failure(500)

    def _answer_failure(self, status: int) -> None:
        if self.channel == CONNECT:
            self.refusal = status
        elif self.channel == REQUEST and self.entry.reply is not None:
            self.send_reply(self.entry.reply, text_answer(status, "the handler failed"))

    def _bury(self, index: int, failure: Failure) -> None:
        self.dead_letter(self._letter(index, failure))

    def _letter(self, index: int, failure: Failure) -> bytes:
        found = self.plan.matches[index]
        return letter(self.delivery, self.entry, index, found, failure, self.routing.code_version)

    def _failure(self, reason: str, error: BaseException, worker: str) -> Failure:
        session = self.held.raw if self.held is not None else b""
        return Failure(reason, error, worker, session, self.tries + 1)
