"""A job whose entry has marks: its spans, its times, and what it sends carries its trace on.

A subclass, so that jobs of all other entries run the very code of a worker that watches nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from trunkline.protocol.codec import encode_mark, mark_entry
from trunkline.protocol.marks import Marks, Stamps, TraceContext
from trunkline.protocol.messages import ChannelSend, Effect, GroupSend, Outcome, Post
from trunkline.protocol.names import ChannelName, GroupName

from .job import Job
from .outbox import FOREIGN, Outbox, split

if TYPE_CHECKING:
    from contextvars import Token

    from trunkline.protocol.process.spans import Span, Tracing


class Traced(Outbox):
    """An outbox whose messages go on with a trace, which its subclass keeps: a mixin."""

    __slots__ = ()

    trace: TraceContext | None

    def send_reply(self, name: str, content: object) -> None:
        """See `Outbox.send_reply`."""
        super().send_reply(name, content)
        if self.trace is not None and name != self.reply:
            post: Post = self._log[-1]
            self._log[-1] = post._replace(chunk=self._mark_about(split(name)[1]) + post.chunk)

    def group_send(self, group: GroupName, content: object) -> None:
        """See `Outbox.group_send`."""
        super().group_send(group, content)
        if self.trace is not None:
            sent: GroupSend = self._log[-1]
            self._log[-1] = sent._replace(chunk=self._mark_about(group) + sent.chunk)

    def channel_send(self, channel: ChannelName, content: object, delay_s: object = 0.0) -> None:
        """See `Outbox.channel_send`."""
        super().channel_send(channel, content, delay_s)
        if self.trace is not None:
            sent: ChannelSend = self._log[-1]
            self._log[-1] = sent._replace(body=mark_entry(sent.body, Marks(self.trace)))

    def _mark_about(self, about: str) -> bytes:
        return encode_mark(about, FOREIGN, Marks(self.trace))


class WatchedJob(Traced, Job):
    """A job that tells of itself. To be watched, see `watch`, before it begins."""

    __slots__ = (
        "_finished",
        "_handled_s",
        "_handling_s",
        "_marks",
        "_outcome",
        "_picked_s",
        "_span",
        "_token",
        "_tracing",
        "_whole",
        "_worker",
        "trace",
    )

    def watch(
        self, marks: Marks, worker: str, tracing: Tracing | None, finished: Callable[[WatchedJob], None]
    ) -> None:
        """Begins to watch it.

        Args:
            marks: of its entry.
            worker: id of this worker.
            tracing: makes spans; None for no traces.
            finished: is given the job when its outcome goes to be committed.
        """
        self._marks = marks
        self._worker = worker
        self._finished = finished
        self._picked_s = perf_counter()
        self._handling_s = self._handled_s = 0.0
        self._outcome = "ok"
        self._token: Token[Any] | None = None
        self._span: Span | None = None  # of the handler at work
        self._whole: Span | None = None
        trace = marks.trace
        self._tracing = tracing if trace is not None and trace.sampled else None
        if self._tracing is not None:
            self._whole = self._begin(f"process {self.channel}", "consumer", trace, self._known())
        # Without spans of our own what comes goes on as it came.
        self.trace = self._whole.context if self._whole is not None else trace

    def _known(self) -> dict[str, Any]:
        entry, delivery = self.entry, self.delivery
        known: dict[str, Any] = {
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": entry.channel,
            "messaging.client.id": self._worker,
            "messaging.message.id": self.event_id(),
            "messaging.batch.message_count": len(entry.events),
            "trunkline.attempt": delivery.attempt,
            "trunkline.queued_ms": round(delivery.queued_ms, 3),
        }
        if entry.reply is not None:
            known["trunkline.connection"] = self.connection
        return known

    def _begin(
        self,
        name: str,
        kind: str,
        parent: TraceContext | None,
        known: dict[str, Any],
        moment_s: float | None = None,
    ) -> Span:
        assert self._tracing is not None
        return self._tracing.begin(name, kind, parent, known, moment_s)

    # ---- a step ----

    def begin(self, index: int) -> Any:
        """See `Job.begin`. From here to its end the handler's span is the current one."""
        message = super().begin(index)
        if not self._handling_s:
            self._handling_s = perf_counter()
        whole = self._whole
        if whole is not None:
            known = {
                "trunkline.route": self.route,
                "messaging.message.id": message.id,
                "trunkline.tries": self.tries,
            }
            self._span = self._begin(f"handle {self.route}", "internal", whole.context, known)
            self.trace = self._span.context
            self._token = self._span.enter()
        return message

    def _end(self, error: BaseException | None = None, outcome: str = "ok") -> None:
        """The handler of a step has ended; a second time for one step changes nothing but the outcome."""
        self._handled_s = perf_counter()
        if outcome != "ok" or self._outcome == "retry":
            self._outcome = outcome
        span, token = self._span, self._token
        self._span = self._token = None
        if span is None:
            return
        if token is not None:
            self._leave(token)
        if error is not None:
            span.fail(error)
        elif outcome != "ok":
            span.note({"trunkline.outcome": outcome})
        span.end()
        assert self._whole is not None
        self.trace = self._whole.context

    def _leave(self, token: Token[Any]) -> None:
        from trunkline.protocol.process.spans import leave

        leave(token)

    def succeed(self) -> None:
        """See `Job.succeed`."""
        super().succeed()
        self._end()

    def end_by(self, error: BaseException) -> str | None:
        """See `Job.end_by`."""
        said = super().end_by(error)
        if said is not None:
            self._end(outcome=said)
        return said

    def try_again(self, error: BaseException, worker: str) -> str | None:
        """See `Job.try_again`."""
        plan = super().try_again(error, worker)
        if plan is not None:
            self._end(error, plan)
        return plan

    def unrouted(self, worker: str) -> bool:
        """See `Job.unrouted`."""
        buried = super().unrouted(worker)
        self._end(outcome="unrouted")
        return buried

    def fail(self, error: BaseException, worker: str, reason: str) -> None:
        """See `Job.fail`."""
        super().fail(error, worker, reason)
        self._end(error, reason)
        if self._whole is not None:
            self._whole.fail(reason)

    # ---- its end ----

    def condemned(self, error: BaseException, reason: str) -> None:
        """Its messages become dead letters, by another job that takes its place."""
        self._end(error, reason)
        if self._whole is not None:
            self._whole.fail(error)
        self.hooks = None
        self._finished(self)

    def finish(self) -> Outcome:
        """See `Job.finish`."""
        route = self.route
        outcome = super().finish()
        if self.reply is not None and self.seq >= 0:
            self._mark_release(outcome.effects, route)
        self._finished(self)
        return outcome

    def _mark_release(self, effects: list[Effect], route: str) -> None:
        """Puts the marks before the RELEASE, the last thing that is posted to its interface server."""
        place = next(
            (index for index in range(len(effects) - 1, -1, -1) if isinstance(effects[index], Post)), None
        )
        if place is None:
            return
        release = effects[place]
        assert isinstance(release, Post)
        trace = self.trace
        stamps = self._stamps(route) if self._marks.waterfall else None
        mark = encode_mark(self.connection, self.seq, Marks(trace), stamps)
        effects[place] = release._replace(chunk=mark + release.chunk)

    def _stamps(self, route: str) -> Stamps:
        sent_s = perf_counter()
        moments = (self._handling_s or sent_s, self._handled_s or sent_s, sent_s)
        handling_us, handled_us, sent_us = (int((moment_s - self._picked_s) * 1e6) for moment_s in moments)
        return Stamps(
            worker=self._worker,
            route="" if route == "-" else route,
            attempt=self.delivery.attempt,
            entry=self.delivery.id,
            queued_us=int(self.delivery.queued_ms * 1000),
            handling_us=handling_us,
            handled_us=handled_us,
            sent_us=sent_us,
            outcome=self._outcome,
        )

    def committed(self, began_s: float) -> None:
        """The commit of its outcome, sent at ``began_s``, was answered."""
        if self._whole is not None:
            now_s = perf_counter()
            known = {"messaging.operation.name": "commit", "messaging.operation.type": "settle"}
            self._begin("commit", "internal", self._whole.context, known, began_s).end(now_s)
            self._whole.end(now_s)
