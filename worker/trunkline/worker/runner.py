"""The runner: calls the handlers of a job, in the event loop, in a thread or as a task, and decides what raising means.

A `def` handler is called as cheaply as can be. Whatever needs waiting (an `async def` handler, a second try, a
thread) is a task.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from trunkline.protocol.errors import ControlFlow, SessionError
from trunkline.protocol.names import WorkerId

from .job import Job
from .match import Match
from .metrics import WorkerMetrics
from .outbox import CURRENT
from .settings import WorkerOptions

log = logging.getLogger(__name__)

Note = Callable[[Job, int, str, float], None]
"""Takes a job, the index of a step, the name of its outcome and its seconds."""


class Runner:
    """Runs handlers.

    Args:
        worker: id of this worker, for dead letters.
        settings: threads and limits.
        metrics: counts messages.
    """

    def __init__(self, worker: WorkerId, settings: WorkerOptions, metrics: WorkerMetrics) -> None:
        self._worker = worker
        self._timeout_s = settings.handler_timeout_s
        self._log_messages = settings.log_messages
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self.threads_began_s: dict[int, float] = {}  # by thread, for the watchdog
        self.pool = (
            ThreadPoolExecutor(settings.threads, thread_name_prefix="handler") if settings.threads else None
        )

    def close(self) -> None:
        """Ends the threads; handlers at work in them go on to their end."""
        if self.pool is not None:
            self.pool.shutdown(wait=False)

    def run(self, job: Job) -> bool:
        """Runs the `def` handlers of a job here and now. False: the last one is to be tried again, with `run_async`."""
        return self._steps(job, self._note)

    async def run_in_thread(self, job: Job) -> None:
        """Runs the `def` handlers of a job in a thread. Cancelling it does not stop the thread."""
        notes: list[tuple[Job, int, str, float]] = []

        def work() -> bool:
            thread = threading.get_ident()
            self.threads_began_s[thread] = perf_counter()
            try:
                return self._steps(job, lambda *note: notes.append(note))
            finally:
                del self.threads_began_s[thread]

        whole = await self._loop.run_in_executor(self.pool, contextvars.copy_context().run, work)
        for note in notes:
            self._note(*note)
        if not whole:
            await self.run_async(job, job.step, 1)

    async def run_async(self, job: Job, first: int = 0, tries: int = 0) -> None:
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
                self._unrouted(job, index, self._note)
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

    def _steps(self, job: Job, note: Note) -> bool:
        token = CURRENT.set(job.outbox)
        try:
            for index, step in enumerate(job.steps):
                match = step.match
                if match is None:
                    self._unrouted(job, index, note)
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

    async def _try(self, job: Job, index: int, match: Match, tries: int) -> str:
        message = job.begin(index)
        limit: asyncio.Timeout | None = None
        try:
            if match.route.is_async:
                async with asyncio.timeout(self._timeout_s) as limit:
                    await match.route.handler(message, **match.kwargs)
            else:
                match.route.handler(message, **match.kwargs)
            job.succeed()
        except (Exception, ControlFlow) as error:
            late = limit is not None and limit.expired() and isinstance(error, TimeoutError)
            return self._failed(job, error, tries, "timeout" if late else "error")
        return "ok"

    def _unrouted(self, job: Job, index: int, note: Note) -> None:
        job.begin(index)
        job.unrouted()
        note(job, index, "unrouted", 0.0)

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
        job.fail(error, self._worker, reason)
        return reason

    def _note(self, job: Job, index: int, outcome: str, seconds: float) -> None:
        metrics = self._metrics
        match = job.steps[index].match
        route = match.route.name if match is not None else "-"
        metrics.messages.get(job.entry.channel, route, outcome).value += 1
        if match is not None:
            metrics.handler_seconds.get(route).observe(seconds)
        if outcome in ("error", "timeout"):
            metrics.dead_letters.get(outcome).value += 1
        if self._log_messages:
            log.info("handled %s outcome=%s ms=%.3f", job, outcome, seconds * 1000)
