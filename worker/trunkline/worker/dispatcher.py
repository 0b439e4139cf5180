"""The dispatcher: takes deliveries, runs their handlers, commits their outcomes.

`def` handlers run right here, in slices of a few milliseconds between which the event loop gets its turn, or in a pool
of threads; `async def` handlers are tasks. Order per connection needs no care: an interface server never has two
entries of a connection under way.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

from trunkline.protocol.codec import decode_entry, encode_release
from trunkline.protocol.errors import CodecError, ControlFlow, InvalidName, SessionError, TrunklineError
from trunkline.protocol.layer import WorkerLayer
from trunkline.protocol.messages import Delivery, Effect, Outcome, Post
from trunkline.protocol.names import TRIP, WorkerId
from trunkline.protocol.process.logs import RateLimited

from .job import POISON_ATTEMPTS, Job, garbage
from .metrics import WorkerMetrics
from .outbox import CURRENT, Outbox, split
from .prefetch import Prefetch
from .routing import Match, Routing
from .sessions import HeldSession
from .settings import WorkerOptions

log = logging.getLogger(__name__)
rate_limited = RateLimited(log)

SLICE_S = 0.004
"""`def` handlers run so long before commits go out and other events get their turn."""
UNCOMMITTED_LIMIT = 4000
"""Outcomes without an answer before no more entries are read: Redis is slow or away."""

Note = Callable[[Job, int, str, float], None]


class PoisonError(TrunklineError):
    """Stands in a dead letter for the error nobody saw: the worker died."""


class Dispatcher:
    """Keeps `layer.WorkerReceiver` and `job.Flusher`.

    Args:
        worker: id of this worker.
        layer: where entries come from and outcomes go.
        routing: what to do with them.
        settings: limits.
    """

    def __init__(
        self, worker: WorkerId, layer: WorkerLayer, routing: Routing, settings: WorkerOptions
    ) -> None:
        self.worker = worker
        self.metrics = WorkerMetrics(lambda: self.busy, lambda: self.redis_up)
        self.redis_up = True
        self.began_s: float | None = None  # when the handler now on the event loop began, for the watchdog
        self.threads_began_s: dict[int, float] = {}  # by thread, for the watchdog
        self.queue: deque[Job] = deque()  # jobs not begun; the watchdog takes from the right
        self._layer = layer
        self._routing = routing
        self._settings = settings
        self._prefetch = Prefetch(settings.prefetch)
        self._pool = (
            ThreadPoolExecutor(settings.threads, thread_name_prefix="handler") if settings.threads else None
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._outcomes: list[Outcome] = []
        self._uncommitted = 0
        self._waiting_sessions = 0
        self._running = False
        self._stopping = False
        self._idle = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    # ---- what the layer calls ----

    def deliver(self, deliveries: list[Delivery]) -> None:
        """See `layer.WorkerReceiver.deliver`."""
        self.metrics.batch_entries.observe(len(deliveries))
        asking: list[Job] = []
        for delivery in deliveries:
            self.metrics.queue_wait_seconds.get(delivery.channel).observe(delivery.queued_ms / 1000)
            job = self._job(delivery)
            if job is None:
                continue
            if job.session_of is not None:
                asking.append(job)
            else:
                self.queue.append(job)
        if asking:
            self._ask_sessions(asking)
        if not self._running:
            self._run()

    def room(self) -> int:
        """See `layer.WorkerReceiver.room`. Entries taken over are tried one at a time: one of them may have killed
        its last worker, and the others shall not be counted among its victims."""
        return 0 if self._stopping or self.busy else 1

    def away(self) -> None:
        """See `layer.WorkerReceiver.away`."""
        self.redis_up = False

    def back(self) -> None:
        """See `layer.WorkerReceiver.back`."""
        self.redis_up = True

    # ---- life ----

    @property
    def busy(self) -> int:
        """Entries delivered and not yet handed to a commit."""
        return len(self.queue) + len(self._tasks) + self._waiting_sessions + len(self._outcomes)

    def start(self) -> None:
        """Begins to read."""
        self._read()

    async def drain(self) -> None:
        """Reads no more, and returns when everything it holds is handled and committed. Cancelling it leaves the
        rest undecided, for other workers."""
        self._stopping = True
        self._layer.stop_reading()
        while self.busy or self._uncommitted:
            self._idle.clear()
            await self._idle.wait()
        if self._pool is not None:
            self._pool.shutdown(wait=False)

    # ---- taking entries ----

    def _job(self, delivery: Delivery) -> Job | None:
        """A job for a delivery; None where its outcome is clear without a handler."""
        if delivery.attempt > 1:
            self.metrics.redeliveries.get(delivery.channel).value += 1
        try:
            entry = decode_entry(delivery.channel, delivery.body)
            if delivery.channel == TRIP and entry.reply is not None:
                self._done(self._trip(delivery, entry.reply, entry.seq))
                return None
            job = Job(delivery, entry, self._routing, self)
        except (CodecError, InvalidName) as error:
            rate_limited.warning(
                "garbage", "garbage on channel=%s id=%s: %s", delivery.channel, delivery.id, error
            )
            self.metrics.dead_letters.get("garbage").value += 1
            self._done(garbage(delivery, error, self.worker))
            return None
        if delivery.attempt > POISON_ATTEMPTS:
            log.error("poison %s id=%s deaths=%d", job, delivery.id, delivery.attempt - 1)
            job.condemn(
                self.worker, "poison", PoisonError(f"{delivery.attempt - 1} workers died with this message")
            )
            self.metrics.dead_letters.get("poison").value += 1
            self._done(job.finish())
            return None
        return job

    def _trip(self, delivery: Delivery, reply: str, seq: int) -> Outcome:
        interface, connection = split(reply)
        answer = {"status": 200, "headers": [], "content": self.worker.encode(), "more_content": False}
        return Outcome(delivery, [Post(interface, encode_release(connection, seq, [answer]))])

    def _ask_sessions(self, jobs: list[Job]) -> None:
        connections = list({job.session_of: None for job in jobs if job.session_of is not None})
        self._waiting_sessions += len(jobs)
        self.metrics.sessions_read.value += len(connections)

        def answered(raws: list[bytes]) -> None:
            self._waiting_sessions -= len(jobs)
            held = dict(zip(connections, raws, strict=True))
            for job in jobs:
                connection = job.session_of
                if connection is not None:
                    job.held = HeldSession(held[connection], self._settings.session_max_bytes)
                self.queue.append(job)
            if not self._running:
                self._run()

        self._layer.sessions(connections, answered)

    # ---- running handlers ----

    def _run(self) -> None:
        """Runs jobs for one slice, commits, and comes back for the rest or reads on."""
        self._running = True
        began_s = perf_counter()
        now_s, inline = began_s, 0
        while True:
            try:
                job = self.queue.popleft()
            except IndexError:  # emptied by us or by the watchdog
                break
            if job.asynchronous:
                self._start(self._run_async(job))
            elif self._pool is not None:
                self._start(self._run_in_thread(job))
            else:
                self.began_s = now_s
                if self._steps(job, self._note):
                    self._finish(job)
                else:
                    self._start(self._run_async(job, job.step, 1))
                inline += 1
                now_s = perf_counter()
                if now_s - began_s > SLICE_S:
                    break
        self.began_s = None
        if inline:
            self._prefetch.batch(inline, now_s - began_s)
        self._commit()
        if self.queue:
            self._loop.call_soon(self._run)
        else:
            self._running = False
            self._read()

    def _steps(self, job: Job, note: Note) -> bool:
        """Runs the `def` handlers of a job, one after the other. False: the last one is to be tried again."""
        token = CURRENT.set(job.outbox)
        try:
            for index, step in enumerate(job.steps):
                match = step.match
                if match is None:
                    job.unrouted()
                    note(job, index, "unrouted", 0.0)
                    continue
                began_s = perf_counter()
                try:
                    match.route.handler(job.begin(index), **match.kwargs)
                    job.succeed()
                except (Exception, ControlFlow) as error:
                    outcome = self._failed(job, error, tries=0)
                else:
                    outcome = "ok"
                note(job, index, outcome, perf_counter() - began_s)
                if outcome == "retry":
                    return False
            return True
        finally:
            CURRENT.reset(token)

    async def _run_in_thread(self, job: Job) -> None:
        notes: list[tuple[Job, int, str, float]] = []

        def work() -> bool:
            thread = threading.get_ident()
            self.threads_began_s[thread] = perf_counter()
            try:
                return self._steps(job, lambda *note: notes.append(note))
            finally:
                del self.threads_began_s[thread]

        whole = await self._loop.run_in_executor(self._pool, contextvars.copy_context().run, work)
        for note in notes:
            self._note(*note)
        if whole:
            self._finish(job)
        else:
            await self._run_async(job, job.step, 1)

    async def _run_async(self, job: Job, first: int = 0, tries: int = 0) -> None:
        """Runs the handlers of a job as a task: `async def` ones, and any that are tried again.

        Args:
            job: whose handlers.
            first: step to begin with.
            tries: how often that step was tried before.
        """
        CURRENT.set(job.outbox)  # a task has a context of its own
        for index in range(first, len(job.steps)):
            match = job.steps[index].match
            if match is None:
                job.unrouted()
                self._note(job, index, "unrouted", 0.0)
                continue
            while True:
                if tries:
                    await asyncio.sleep(match.route.on_error.backoff_s * 2 ** (tries - 1))
                began_s = perf_counter()
                outcome = await self._try(job, index, match, tries)
                self._note(job, index, outcome, perf_counter() - began_s)
                tries += 1
                if outcome != "retry":
                    break
            tries = 0
        self._finish(job)

    async def _try(self, job: Job, index: int, match: Match, tries: int) -> str:
        message = job.begin(index)
        limit: asyncio.Timeout | None = None
        try:
            if match.route.is_async:
                async with asyncio.timeout(self._settings.handler_timeout_s) as limit:
                    await match.route.handler(message, **match.kwargs)
            else:
                match.route.handler(message, **match.kwargs)
            job.succeed()
        except (Exception, ControlFlow) as error:
            late = limit is not None and limit.expired() and isinstance(error, TimeoutError)
            return self._failed(job, error, tries, "timeout" if late else "error")
        return "ok"

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # Not the handler's (that one is a dead letter): ours. The entry stays undecided, for another worker.
            log.error("the dispatcher failed", exc_info=task.exception())
        self._commit()
        if not self._running:
            self._read()

    def _failed(self, job: Job, error: BaseException, tries: int, reason: str = "error") -> str:
        """Decides what a raised exception means; the outcome's name."""
        try:
            said = job.end_by(error)
        except SessionError as worse:
            said, error = None, worse
        if said is not None:
            return said
        match = job.steps[job.step].match
        if match is not None and match.route.on_error.kind == "retry" and tries < match.route.on_error.times:
            job.undo()
            log.warning("handler failed, tried again %s try=%d error=%r", job, tries + 1, error)
            return "retry"
        log.error("handler failed %s reason=%s", job, reason, exc_info=error)
        job.fail(error, self.worker, reason)
        return reason

    def _note(self, job: Job, index: int, outcome: str, seconds: float) -> None:
        metrics = self.metrics
        match = job.steps[index].match
        route = match.route.name if match is not None else "-"
        metrics.messages.get(job.entry.channel, route, outcome).value += 1
        if match is not None:
            metrics.handler_seconds.get(route).observe(seconds)
        if outcome in ("error", "timeout"):
            metrics.dead_letters.get(outcome).value += 1
        if self._settings.log_messages:
            log.info("handled %s outcome=%s ms=%.3f", job, outcome, seconds * 1000)

    # ---- flushing, committing, reading ----

    async def flush(self, delivery: Delivery, effects: list[Effect]) -> None:
        """See `job.Flusher.flush`."""
        applied = asyncio.Event()
        self._layer.apply(effects, applied.set, delivery)
        await applied.wait()

    def flush_soon(self, delivery: Delivery, outbox: Outbox) -> None:
        """See `job.Flusher.flush_soon`."""
        self._loop.call_soon_threadsafe(self._flush_now, delivery, outbox)

    def _flush_now(self, delivery: Delivery, outbox: Outbox) -> None:
        effects = outbox.take()
        if effects:
            self._layer.apply(effects, lambda: None, delivery)

    def _finish(self, job: Job) -> None:
        outcome = job.finish()
        if job.wrote_session:
            self.metrics.sessions_written.value += 1
        self._outcomes.append(outcome)

    def _done(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)

    def _commit(self) -> None:
        outcomes = self._outcomes
        if not outcomes:
            self._idle.set()
            return
        self._outcomes = []
        count, began_s = len(outcomes), perf_counter()
        self._uncommitted += count
        metrics = self.metrics
        metrics.commit_entries.observe(count)

        def committed(counted: int) -> None:
            self._uncommitted -= count
            metrics.commit_seconds.observe(perf_counter() - began_s)
            metrics.effects_dropped.value += count - counted
            self._idle.set()
            if not self._running:
                self._read()

        self._layer.commit(outcomes, committed)

    def _read(self) -> None:
        if self._stopping or self._uncommitted > UNCOMMITTED_LIMIT:
            return
        count = self._prefetch.count
        if self._pool is not None:
            count = min(count, self._settings.threads - len(self._tasks))
        count = min(count, self._settings.concurrency - len(self._tasks))
        if count > 0:
            self._layer.read(count)
