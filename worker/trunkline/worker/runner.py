"""The runner: calls the handlers of a job, in the event loop, in a thread or as a task, and decides what raising means.

A `def` handler is called as cheaply as can be. Whatever needs waiting (an `async def` handler, a thread) is a task.
Every job has a context of its own (`contextvars`), so nothing one handler sets is seen by another.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, Final, TypeVar

from trunkline.protocol.errors import MessageError, SessionError
from trunkline.protocol.names import WorkerId
from trunkline.protocol.process.logs import RateLimited

from .error_policy import Retry
from .job import Job
from .log_context import TOLD
from .match import Match, Route
from .message import Message
from .metrics import WorkerMetrics
from .outbox import CURRENT
from .settings import WorkerOptions
from .tally import AGAIN, Note, Tally

log: Final = logging.getLogger(__name__)
rate_limited: Final = RateLimited(log)

T = TypeVar("T")


class Runner:
    """Runs handlers.

    Each way of running takes a job on from the step it stands at, and says whether it came to the job's end. If not, a
    handler failed and its route wants it tried again in its turn: the job stands at that step, to be run again in
    `Job.pause_s`.

    Args:
        worker: id of this worker, for dead letters.
        settings: threads and limits.
        metrics: counts messages.

    Attributes:
        pool: the threads for `def` handlers, None without.
        began_s: when the `def` handler now on the event loop began, for the watchdog; None while there is none.
        threads_began_s: the same for each thread.
    """

    def __init__(self, worker: WorkerId, settings: WorkerOptions, metrics: WorkerMetrics) -> None:
        self._worker = worker
        self._timeout_s = settings.handler_timeout_s
        self._note = Tally(metrics, settings.log_messages).note
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self.began_s: float | None = None
        self.threads_began_s: dict[int, float] = {}
        self.pool = (
            ThreadPoolExecutor(settings.threads, thread_name_prefix="handler") if settings.threads else None
        )

    def close(self) -> None:
        """Ends the threads; handlers at work in them go on to their end."""
        if self.pool is not None:
            self.pool.shutdown(wait=False)

    def context(self) -> contextvars.Context:
        """A context for one job, as this worker's was at its start."""
        return self._context.copy()

    def run(self, job: Job) -> bool:
        """Runs a job of `def` handlers here and now."""
        return self._context.copy().run(self._steps, job, self._note)

    async def run_in_thread(self, job: Job) -> bool:
        """Runs a job of `def` handlers in a thread. Cancelling it does not stop the thread."""
        notes: list[tuple[Job, int, str, float]] = []
        ended = await self._in_thread(lambda: self._steps(job, lambda *note: notes.append(note)))
        for note in notes:
            self._note(*note)
        return ended

    async def run_async(self, job: Job) -> bool:
        """Runs a job with `async def` handlers, in a task with a context of its own. Cancelling it cancels the handler
        and leaves the job undecided."""
        CURRENT.set(job)
        for index in range(job.step, len(job.plan.matches)):
            match = job.plan.matches[index]
            if match is None:
                self._unrouted(job, index, self._note)
                continue
            began_s = perf_counter()
            outcome = await self._try(job, index, match, began_s)
            self._note(job, index, outcome, perf_counter() - began_s)
            if outcome == "retry":
                return False
        return True

    # ---- steps ----

    def _steps(self, job: Job, note: Note) -> bool:
        CURRENT.set(job)
        count = len(job.plan.matches)
        if count == 1:  # as mostly
            return self._step(job, 0, note)
        return self._remaining_steps(job, range(job.step, count), note)

    def _remaining_steps(self, job: Job, indexes: range, note: Note) -> bool:
        return all(self._step(job, index, note) for index in indexes)

    def _step(self, job: Job, index: int, note: Note) -> bool:
        match = job.plan.matches[index]
        if match is None:
            self._unrouted(job, index, note)
            return True
        began_s = perf_counter()
        message = job.begin(index)
        try:
            result = match.call(message)
            if result is not None:
                _refuse_awaitable(match.route, result)
            job.succeed()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also what is no Exception, as sys.exit(): only the message fails
            outcome = self._failed(job, error, "error", began_s)
        else:
            outcome = AGAIN + "ok" if job.tries else "ok"
        note(job, index, outcome, perf_counter() - began_s)
        return outcome != "retry"

    async def _try(self, job: Job, index: int, match: Match, began_s: float) -> str:
        message = job.begin(index)
        limit: asyncio.Timeout | None = None
        try:
            if match.route.is_async:
                async with asyncio.timeout(self._timeout_s) as limit:
                    await match.call(message)
            elif self.pool is not None:
                raised = await self._in_thread(lambda: _attempt(match, message))
                if raised is not None:
                    raise raised
            else:
                self._call_timed(match, message)
            job.succeed()
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            late = limit is not None and limit.expired() and isinstance(error, TimeoutError)
            return self._failed(job, error, "timeout" if late else "error", began_s)
        return AGAIN + "ok" if job.tries else "ok"

    def _call_timed(self, match: Match, message: Message) -> None:
        self.began_s = perf_counter()
        try:
            _call(match, message)
        finally:
            self.began_s = None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        def timed() -> T:
            thread = threading.get_ident()
            self.threads_began_s[thread] = perf_counter()
            try:
                return work()
            finally:
                del self.threads_began_s[thread]

        return await self._loop.run_in_executor(self.pool, contextvars.copy_context().run, timed)

    # ---- outcomes ----

    def _unrouted(self, job: Job, index: int, note: Note) -> None:
        job.begin(index)
        if job.unrouted(self._worker):
            rate_limited.warning("unrouted", "no route takes a message, it is a dead letter now %s", job)
        note(job, index, "unrouted", 0.0)

    def _failed(self, job: Job, error: BaseException, reason: str, began_s: float) -> str:
        """Decides what a raised exception means; the outcome's name."""
        try:
            said = job.end_by(error)
        except (SessionError, MessageError) as worse:
            said, error = None, worse
        again = AGAIN if job.tries else ""
        if said is not None:
            return again + said
        took_ms = (perf_counter() - began_s) * 1000
        plan = job.try_again(error, self._worker)
        if plan is not None:
            text = "handler failed, tried again in_s=%.3f %s outcome=%s failed=%d ms=%.3f error=%r"
            failed = job.tries if plan == "retry" else job.tries + 1
            args = (job.pause_s, job, plan, failed, took_ms, error)
            rate_limited.warning(f"retry {job.route}", text, *args, extra=TOLD)
            return plan
        if isinstance(error, Retry):
            reason, again = "retries", AGAIN
        log.error("handler failed %s reason=%s ms=%.3f", job, reason, took_ms, exc_info=error, extra=TOLD)
        job.fail(error, self._worker, reason)
        return again + reason


def _call(match: Match, message: Message) -> None:
    result = match.call(message)
    if result is not None:
        _refuse_awaitable(match.route, result)


def _attempt(match: Match, message: Message) -> BaseException | None:
    """What a handler raised. A future cannot carry everything (StopIteration), so it is handed over as a value."""
    try:
        _call(match, message)
    except BaseException as error:
        return error
    return None


def _refuse_awaitable(route: Route, result: Any) -> None:
    if not inspect.isawaitable(result):
        return
    if inspect.iscoroutine(result):
        result.close()
    raise TypeError(
        f"{route.name} is called as a def handler and returned {type(result).__name__}, which nobody awaits: "
        "make it, or the decorator around it, an 'async def'"
    )


def _is_cancelled() -> bool:
    """Whether somebody cancelled this very task, and not what its handler waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
