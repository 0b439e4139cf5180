"""The dispatcher: takes deliveries, has their handlers run, commits their outcomes, asks for more.

`def` handlers run right here, in slices of a few milliseconds between which the event loop gets its turn, or in a pool
of threads; `async def` handlers are tasks. Order per connection needs no care: an interface server never has two
entries of a connection under way.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from time import perf_counter
from typing import Any

from trunkline.protocol.codec import decode_entry, encode_release
from trunkline.protocol.errors import CodecError, InvalidName, TrunklineError
from trunkline.protocol.layer import WorkerLayer
from trunkline.protocol.messages import Delivery, Effect, Outcome, Post
from trunkline.protocol.names import TRIP, WorkerId
from trunkline.protocol.process.logs import RateLimited

from .committer import Committer
from .job import POISON_ATTEMPTS, Job, garbage
from .metrics import WorkerMetrics
from .outbox import Outbox, split
from .prefetch import Prefetch
from .routing import Routing
from .runner import Runner
from .sessions import HeldSession
from .settings import WorkerOptions

log = logging.getLogger(__name__)
rate_limited = RateLimited(log)

SLICE_S = 0.004
"""`def` handlers run so long before commits go out and other events get their turn."""
ROOM = 16
"""Entries an idle worker takes over at once."""


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
        self.queue: deque[Job] = deque()  # jobs not begun; the watchdog takes from the right
        self.runner = Runner(worker, settings, self.metrics)
        self._layer = layer
        self._routing = routing
        self._settings = settings
        self._prefetch = Prefetch(settings.prefetch)
        self._committer = Committer(layer, self.metrics, self._read_on)
        self._tasks: set[asyncio.Task[None]] = set()
        # Entries whose last worker died run alone, with everything else committed: one of them may have killed it, and
        # if it does so again, no other entry shall count as its victim.
        self._suspects: deque[Job] = deque()
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
                self._line_up(job)
        if asking:
            self._ask_sessions(asking)
        if not self._running:
            self._run()

    def room(self) -> int:
        """See `layer.WorkerReceiver.room`. A busy worker takes over too, or a dead one's entries would wait until the
        load falls."""
        if self._stopping or self._suspects or self._committer.full:
            return 0
        return 1 if self.busy else ROOM

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
        lines = len(self.queue) + len(self._suspects)
        return lines + len(self._tasks) + self._waiting_sessions + self._committer.gathered

    def start(self) -> None:
        """Begins to read."""
        self._read_on()

    async def drain(self) -> None:
        """Reads no more, and returns when everything it holds is handled and committed. Cancelling it leaves the
        rest undecided, for other workers."""
        self._stopping = True
        self._layer.stop_reading()
        while self.busy:
            self._idle.clear()
            await self._idle.wait()
        await self._committer.settled()
        self.runner.close()

    # ---- taking entries ----

    def _job(self, delivery: Delivery) -> Job | None:
        """A job for a delivery; None where its outcome is clear without a handler."""
        if delivery.attempt > 1:
            self.metrics.redeliveries.get(delivery.channel).value += 1
        try:
            entry = decode_entry(delivery.channel, delivery.body)
            if delivery.channel == TRIP and entry.reply is not None:
                self._committer.add(self._trip(delivery, entry.reply, entry.seq))
                return None
            job = Job(delivery, entry, self._routing, self)
        except (CodecError, InvalidName) as error:
            rate_limited.warning(
                "garbage", "garbage on channel=%s id=%s: %s", delivery.channel, delivery.id, error
            )
            self.metrics.dead_letters.get("garbage").value += 1
            self._committer.add(garbage(delivery, error, self.worker))
            return None
        if delivery.attempt > POISON_ATTEMPTS:
            self._condemn(job)
            return None
        return job

    def _trip(self, delivery: Delivery, reply: str, seq: int) -> Outcome:
        interface, connection = split(reply)
        answer = {"status": 200, "headers": [], "content": self.worker.encode(), "more_content": False}
        return Outcome(delivery, [Post(interface, encode_release(connection, seq, [answer]))])

    def _condemn(self, job: Job) -> None:
        deaths = job.delivery.attempt - 1
        log.error("poison %s id=%s deaths=%d", job, job.delivery.id, deaths)
        self.metrics.dead_letters.get("poison").value += 1
        job.condemn(self.worker, "poison", PoisonError(f"{deaths} workers died with this message"))
        self._committer.add(job.finish())

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
                self._line_up(job)
            if not self._running:
                self._run()

        self._layer.sessions(connections, answered)

    def _line_up(self, job: Job) -> None:
        (self._suspects if job.delivery.attempt > 1 else self.queue).append(job)

    # ---- running them ----

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
                self._start(job, self.runner.run_async(job))
            elif self.runner.pool is not None:
                self._start(job, self.runner.run_in_thread(job))
            else:
                self.began_s = now_s
                if self.runner.run(job):
                    self._finish(job)
                else:
                    self._start(job, self.runner.run_async(job, job.step, 1))
                inline += 1
                now_s = perf_counter()
                if now_s - began_s > SLICE_S:
                    break
        self.began_s = None
        if inline:
            self._prefetch.batch(inline, now_s - began_s)
        self._committer.flush()
        if self.queue:
            self._loop.call_soon(self._run)
        else:
            self._running = False
            self._read_on()

    def _start(self, job: Job, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._task_done(job, done))

    def _task_done(self, job: Job, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return  # at the end of the event loop; the entry stays undecided, for another worker
        if task.exception() is not None:
            # Not the handler's (that one is a dead letter): ours.
            log.error("the dispatcher failed %s", job, exc_info=task.exception())
        else:
            self._finish(job)
        if not self._running:
            self._committer.flush()
            self._read_on()

    def _finish(self, job: Job) -> None:
        try:
            outcome = job.finish()
        except TrunklineError as error:
            # Effects are checked where handlers make them; one that slipped through must not stop the worker.
            log.error("effects cannot be encoded %s", job, exc_info=error)
            job = Job(job.delivery, job.entry, self._routing, self)
            job.condemn(self.worker, "error", error)
            outcome = job.finish()
        if job.wrote_session:
            self.metrics.sessions_written.value += 1
        self._committer.add(outcome)

    # ---- flushing and reading ----

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

    def _read_on(self) -> None:
        """Begins with the next suspect as soon as it is alone, else asks for as many entries as there is room for."""
        self._idle.set()
        if self._running:
            return
        if self._suspects:
            if self.busy == len(self._suspects) and self._committer.empty:
                self.queue.append(self._suspects.popleft())
                self._run()
            return
        if self._stopping or self._committer.full:
            return
        count = self._prefetch.count
        if self.runner.pool is not None:
            count = min(count, self._settings.threads - len(self._tasks))
        count = min(count, self._settings.concurrency - len(self._tasks))
        if count > 0:
            self._layer.read(count)
