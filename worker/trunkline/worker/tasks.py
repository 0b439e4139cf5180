"""Tasks: jobs at work beside the event loop's own, as `async def` handlers or in threads, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial

from .job import Job
from .runner import Runner
from .settings import WorkerOptions
from .slots import Slots

CANCEL_S = 1.0
"""Handlers that a drain did not wait for have so long to end when they are cancelled."""


class Tasks:
    """Starts jobs as tasks.

    Args:
        runner: runs them.
        settings: how many of each kind may be at work.
        done: is given each job that has ended, with its task.
    """

    __slots__ = ("_async_slots", "_done", "_loop", "_runner", "_tasks", "_thread_slots")

    def __init__(
        self, runner: Runner, settings: WorkerOptions, done: Callable[[Job, asyncio.Task[bool]], None]
    ) -> None:
        self._runner = runner
        self._done = done
        self._tasks: set[asyncio.Task[bool]] = set()
        self._async_slots = Slots(settings.concurrency)
        self._thread_slots = Slots(settings.threads)
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def all(self) -> Collection[asyncio.Task[bool]]:
        """Those at work, kept up to date."""
        return self._tasks

    @property
    def free(self) -> int:
        """How many handlers may begin now, of the kind that has less room."""
        free = self._async_slots.free
        return free if self._runner.pool is None else min(free, self._thread_slots.free)

    def start(self, job: Job) -> bool:
        """Begins a job, if one more of its kind may be at work."""
        slots = self._async_slots if job.plan.asynchronous else self._thread_slots
        if not slots.take():
            return False
        runner = self._runner
        work = runner.run_async(job) if job.plan.asynchronous else runner.run_in_thread(job)
        task = self._loop.create_task(work, context=runner.context())
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, job, slots))
        return True

    async def cancel(self) -> None:
        """Cancels all, and gives them a moment to end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_S)

    def _ended(self, job: Job, slots: Slots, task: asyncio.Task[bool]) -> None:
        self._tasks.discard(task)
        slots.give()
        self._done(job, task)
