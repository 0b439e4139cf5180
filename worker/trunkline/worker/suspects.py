"""Suspects: jobs whose last worker died. One of them may have killed it, and if it does so again, no other entry shall
count as its victim: so each is tried alone, with everything else committed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from typing import Any

from .job import Job

PATIENCE_S = 0.25
"""How long a suspect waits for handlers to end before it is tried beside them. They may take for ever (an `async def`
handler that waits for something), and neither the suspects nor this worker's reading can wait for that."""


class Suspects:
    """Lines up jobs, each to be tried alone.

    Args:
        tasks: handlers at work as tasks; looked at, never changed.
        look_again: called when patience is over, to ask `next` once more.
        patience_s: see `PATIENCE_S`.
    """

    __slots__ = ("_bystanders", "_jobs", "_look_again", "_loop", "_patience_s", "_tasks", "_timer")

    def __init__(
        self,
        tasks: Collection[asyncio.Task[Any]],
        look_again: Callable[[], None],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._tasks = tasks
        self._look_again = look_again
        self._patience_s = patience_s
        self._jobs: deque[Job] = deque()
        # Tasks that outlasted the patience of one suspect; the next ones do not wait for them again.
        self._bystanders: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Job) -> None:
        """Lines up another one."""
        self._jobs.append(job)

    def next(self, at_work: int) -> Job | None:
        """Takes the next one out, if it would be alone.

        Args:
            at_work: jobs at work or not committed, tasks among them, suspects not.

        Returns:
            The job; None if it must wait. ``look_again`` follows then, at the latest when patience is over.
        """
        self._bystanders.intersection_update(self._tasks)
        if at_work > len(self._bystanders):
            if self._timer is None:
                self._timer = self._loop.call_later(self._patience_s, self._wait_no_longer)
            return None
        self._stop_waiting()
        return self._jobs.popleft()

    def clear(self) -> None:
        """Forgets all of them."""
        self._jobs.clear()
        self._stop_waiting()

    def _wait_no_longer(self) -> None:
        self._timer = None
        self._bystanders = set(self._tasks)
        self._look_again()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
