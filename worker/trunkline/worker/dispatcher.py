"""The dispatcher: takes deliveries, has their handlers run, commits their outcomes, asks for more.

`def` handlers run right here, in slices of a few milliseconds between which the event loop gets its turn, or in a pool
of threads; `async def` handlers are tasks. Order per connection needs no care: an interface server never has two
entries of a connection under way.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from functools import partial
from time import perf_counter
from typing import Final

from trunkline.protocol.layer import WorkerLayer
from trunkline.protocol.messages import Delivery
from trunkline.protocol.names import WorkerId
from trunkline.protocol.process.tracing import OpenTracing, no_tracing

from .committer import Committer
from .flusher import LayerFlusher
from .intake import Intake
from .job import Job
from .log_context import TOLD
from .metrics import WorkerMetrics
from .prefetch import Prefetch
from .retries import Retries
from .routing import Routing
from .runner import Runner
from .settings import WorkerOptions
from .slots import slots_of
from .suspects import Suspects
from .tasks import Tasks
from .watch import Watch, WatchedCommits, WatchedIntake

log: Final = logging.getLogger(__name__)

SLICE_S: Final = 0.004
"""`def` handlers run so long before commits go out and other events get their turn."""
ROOM: Final = 16
"""Entries an idle worker takes over at once."""


class Dispatcher:
    """Keeps `layer.WorkerReceiver`.

    Args:
        worker: id of this worker.
        layer: where entries come from and outcomes go.
        routing: what to do with them.
        settings: limits.
        tracing: gives what makes spans, or None for none.
        shards: how many the layer has.

    Attributes:
        tracing: what makes spans, or None.
        queue: jobs not begun; the watchdog takes from its right.
        committer: outcomes on their way.
        away_from: the shards that do not answer now.
        full_since_s: since when nothing of the queue can begin, because as many handlers are at work as may be; else
            None.
    """

    def __init__(
        self,
        worker: WorkerId,
        layer: WorkerLayer,
        routing: Routing,
        settings: WorkerOptions,
        tracing: OpenTracing = no_tracing,
        shards: int = 1,
    ) -> None:
        self.worker = worker
        self.away_from: set[int] = set()
        self.metrics = WorkerMetrics(lambda: self.busy, self.answering, *slots_of(routing.routes, settings))
        self._shards = shards
        self.full_since_s: float | None = None
        self.queue: deque[Job] = deque()
        self.runner = Runner(worker, settings, self.metrics)
        self._layer = layer
        self._prefetch = Prefetch(settings.prefetch)
        self.tracing = tracing(self.metrics.spans)
        watch = Watch(worker, self.tracing) if self.tracing is not None or settings.waterfall_per_s else None
        commits = layer if watch is None else WatchedCommits(layer, watch)
        self.committer = Committer(commits, self.metrics, self._commit_answered, self.away_from, shards)
        make_intake = Intake if watch is None else partial(WatchedIntake, watch)
        self._intake = make_intake(
            worker,
            layer,
            routing,
            self.committer,
            self.metrics,
            settings.session_max_bytes,
            LayerFlusher(layer),
            self._line_up,
            self.away_from,
            shards,
        )
        self._tasks = Tasks(self.runner, settings, self._task_done)
        self._suspects = Suspects(self._tasks.all, self._read_on)
        self._retries = Retries(layer, self.metrics, self._try_again)
        self._running = False
        # A read is asked for, and nothing is to be done here before it brings something.
        self._reading = False
        self._stopping = False
        self._ended = False
        self._idle = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    # ---- what the layer calls ----

    def deliver(self, deliveries: list[Delivery]) -> None:
        """See `layer.WorkerReceiver.deliver`."""
        self._reading = False
        if self._ended:
            return  # on its way when the drain ended: nothing was begun, another worker takes it
        self._intake.take(deliveries)

    def room(self) -> int:
        """See `layer.WorkerReceiver.room`. A busy worker takes over too, or a dead one's entries would wait until the
        load falls."""
        free = self._tasks.free
        if self._stopping or self._suspects or self.committer.full or self._retries.full or free <= 0:
            return 0
        return 1 if self.busy else min(ROOM, free)

    def away(self, shard: int = 0) -> None:
        """See `layer.WorkerReceiver.away`."""
        self.away_from.add(shard)
        if not self._reading and not self._running:
            self._loop.call_soon(self._read_on)  # what waited for it alone holds up the others no longer

    def back(self, shard: int = 0) -> None:
        """See `layer.WorkerReceiver.back`."""
        self.away_from.discard(shard)

    def answering(self) -> list[bool]:
        """Of each shard whether it answers."""
        return [shard not in self.away_from for shard in range(self._shards)]

    # ---- life ----

    @property
    def redis_up(self) -> bool:
        """Whether every shard answers."""
        return not self.away_from

    @property
    def busy(self) -> int:
        """Entries delivered and not yet handed to a commit."""
        lines = len(self.queue) + len(self._suspects) + len(self._retries)
        return lines + len(self._tasks) + self._intake.waiting.count + self.committer.gathered

    @property
    def at_work(self) -> bool:
        """Whether a handler is at work in a task or thread."""
        return bool(self._tasks or self.runner.threads_began_s)

    def start(self) -> None:
        """Begins to read."""
        self._read_on()

    def wake(self) -> None:
        """Looks at the queue soon."""
        if not self._running:
            self._running = True
            self._loop.call_soon(self._run)

    async def drain(self) -> None:
        """Reads no more, and returns when everything it holds is handled and committed; what waits to be tried again is
        left to other workers instead. Cancelling it leaves the rest undecided; `cut_off` ends it."""
        self._stopping = True
        self._reading = False
        self._layer.stop_reading()
        while self.busy > len(self._retries) or self.committer.unanswered:
            self._idle.clear()
            await self._idle.wait()
        await self._retries.leave()
        self._ended = True
        self.runner.close()

    async def cut_off(self) -> None:
        """Ends what a drain did not finish: cancels handlers and commits nothing more, so that what was held is other
        workers'. Threads, and handlers that refuse to be cancelled, go on; see `at_work`."""
        self._stopping = self._ended = True
        self.queue.clear()
        self._suspects.clear()
        self._retries.forget()
        await self._tasks.cancel()
        self.runner.close()

    # ---- running them ----

    def _line_up(self, jobs: Sequence[Job]) -> None:
        if self._ended:
            return
        for job in jobs:
            if job.delivery[3] > 1:  # its attempt
                self._suspects.add(job)
            else:
                self.queue.append(job)
        if not self._running:
            self._run()

    def _run(self) -> None:
        """Runs jobs for one slice, commits, and comes back for the rest or reads on."""
        self._running = True
        runner, queue = self.runner, self.queue
        began_s = now_s = perf_counter()
        count, full = 0, False
        try:
            while queue and now_s - began_s < SLICE_S:
                try:
                    job = queue.popleft()
                except IndexError:  # the watchdog was quicker
                    break
                if job.plan.asynchronous or runner.pool is not None:
                    if not self._tasks.start(job):
                        queue.appendleft(job)
                        full = True
                        break
                    count += 1
                    continue
                runner.began_s = now_s
                count += 1
                try:
                    if runner.run(job):
                        self._finish(job)
                    else:
                        self._retries.add(job)
                except Exception as error:
                    self._condemn(job, error)
                now_s = perf_counter()
        finally:
            # Whatever comes through (KeyboardInterrupt does), what waits must not wait for ever.
            runner.began_s = None
            self.full_since_s = perf_counter() if full else None
            if count:
                self._prefetch.batch(count, perf_counter() - began_s)
            self.committer.flush()
            if queue and not full:
                self._loop.call_soon(self._run)
            else:
                self._running = False
                self._read_on()

    def _task_done(self, job: Job, task: asyncio.Task[bool]) -> None:
        if self._ended:
            return  # cut off: its entry is another worker's
        error = asyncio.CancelledError("its task was cancelled") if task.cancelled() else task.exception()
        if error is not None:
            self._condemn(job, error)
        elif task.result():
            self._finish(job)
        else:
            self._retries.add(job)
        self.wake()  # tasks that end together are committed together

    def _try_again(self, job: Job) -> None:
        if job.delivery[3] > 1:
            self._suspects.add(job)
        else:
            self.queue.append(job)
        self.wake()

    def _finish(self, job: Job) -> None:
        try:
            outcome = job.finish()
        except Exception as error:
            # Effects are checked where handlers make them; one that slipped through must not stop the worker.
            self._condemn(job, error)
            return
        if job.held is not None and job.held.write() is not None:
            self.metrics.sessions_written.value += 1
        self.committer.add(outcome)

    def _condemn(self, job: Job, error: BaseException) -> None:
        """What nobody foresaw has happened to a job. Its messages become dead letters: an entry without an outcome
        would hold up its connection for ever."""
        log.error("the dispatcher failed %s", job, exc_info=error, extra=TOLD)
        self.committer.add(self._intake.condemned(job, "error", error))

    # ---- reading ----

    def _commit_answered(self) -> None:
        if not self._reading:
            self._read_on()

    def _read_on(self) -> None:
        """Begins with the next suspect as soon as it is alone, else asks for as many entries as there is room for."""
        if self._stopping:
            self._idle.set()
        if self._running or self._ended:
            return
        if self._suspects:
            self._reading = False  # the next one waits for what is not committed
            begun = len(self.queue) + len(self._tasks) + self._intake.waiting.pressing
            uncommitted = begun + self.committer.gathered + self.committer.pressing
            suspect = self._suspects.next(uncommitted)
            if suspect is not None:
                self.queue.append(suspect)
                self._run()
            return
        # Not while sessions are on their way: their handlers may take long, and what is read meanwhile would wait for
        # them, where nobody can give it back.
        if self._stopping or self.queue or self._intake.waiting.pressing:
            return
        if self.committer.full or self._retries.full:
            return
        count = min(self._prefetch.count, self._tasks.free)
        if count > 0:
            self._reading = True
            self._layer.read(count)
