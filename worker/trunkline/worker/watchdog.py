"""The watchdog: a thread that looks at handlers which hold the event loop.

A handler that takes long must not hold back the entries behind it, which an idle worker could take; and one that
never ends must not make the worker useless for ever. Neither can be seen to from the event loop it blocks.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from time import perf_counter

from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.layer import WorkerLayer
from trunkline.protocol.process.logs import RateLimited

from .dispatcher import Dispatcher
from .job import Job

log = logging.getLogger(__name__)
rate_limited = RateLimited(log)

POLL_S = 0.05
"""Between two looks at a handler that has held the event loop for `GIVE_BACK_S`."""
IDLE_S = 0.15
"""Between two looks while none holds it: one that begins behind a look has not held it much longer at the next."""
GIVE_BACK_S = 0.1
"""When a handler has held the event loop so long, what was done before it is committed and what waits behind it is
given away."""
BEAT_S = 0.5
"""How often the event loop is asked for a sign of life."""
LAST_WORDS_S = 2.0
"""What is logged before the end may take so long."""


def end_process(code: ExitCode) -> None:
    """Ends the process from any thread, without cleaning up: whatever is stuck would wait for ever."""
    _attempt(logging.shutdown)
    os._exit(code)


class Watchdog:
    """Watches one dispatcher.

    Args:
        dispatcher: whose handlers.
        layer: takes entries back.
        limit_s: seconds a handler may hold its thread.
        end: ends the process with an exit code.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        layer: WorkerLayer,
        limit_s: float,
        end: Callable[[ExitCode], None] = end_process,
    ) -> None:
        self._dispatcher = dispatcher
        self._layer = layer
        self._limit_s = limit_s
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._beat_s = perf_counter()
        self._asked_s = self._beat_s
        self._watched = threading.get_ident()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trunkline-watchdog", daemon=True)

    def start(self) -> None:
        """Begins to watch the thread that calls this."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for it, at most one poll."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._pause_s(perf_counter())):
            now_s = perf_counter()
            try:
                self._relieve(now_s)
                self._ask_for_beat(now_s)
            except Exception as error:  # the one thing worse than a watchdog that fails is none
                self._dispatcher.metrics.watchdog_failures.value += 1
                rate_limited.warning("failed", "the watchdog failed and goes on: %r", error)
            stuck = self._stuck_since(now_s)
            if stuck is not None:
                self._give_up(stuck)
                return

    def _pause_s(self, now_s: float) -> float:
        """Until the next look: then a handler that holds the event loop now has held it for `GIVE_BACK_S`."""
        left_s = GIVE_BACK_S - self._held_s(now_s)
        return min(left_s, IDLE_S) if left_s > 0 else POLL_S

    def _held_s(self, now_s: float) -> float:
        """How long what waits has waited for a handler that holds the event loop, or a slot; below 0 if none does."""
        dispatcher = self._dispatcher
        # Read once each: the other thread may change them between two looks.
        since = [
            since_s for since_s in (dispatcher.runner.began_s, dispatcher.full_since_s) if since_s is not None
        ]
        return now_s - min(since) if since else -math.inf

    def _relieve(self, now_s: float) -> None:
        """Gives away what waits behind a handler that holds the event loop, or for a slot."""
        if self._held_s(now_s) < GIVE_BACK_S:
            return
        dispatcher = self._dispatcher
        self._commit_gathered()
        waiting, begun = self._take_queue()
        if begun:
            dispatcher.queue.extend(begun)
            # The handler may have ended meanwhile, and found the queue empty.
            self._loop.call_soon_threadsafe(dispatcher.wake)
        if not waiting:
            return
        try:
            self._layer.give_back([job.delivery for job in waiting])
        except Exception as error:
            dispatcher.queue.extend(waiting)
            self._loop.call_soon_threadsafe(dispatcher.wake)
            if not isinstance(error, LayerUnavailable):
                raise
            rate_limited.warning("unavailable", "cannot hand back entries=%d: %s", len(waiting), error)
        else:
            dispatcher.metrics.given_back.value += len(waiting)

    def _take_queue(self) -> tuple[deque[Job], deque[Job]]:
        """Empties the queue: the jobs that another worker may begin, and those that were begun here. How often these
        have failed nobody else knows, so their routes' patience would begin anew."""
        waiting: deque[Job] = deque()
        begun: deque[Job] = deque()
        while True:
            try:
                job = self._dispatcher.queue.pop()
            except IndexError:
                return waiting, begun
            (begun if job.begun else waiting).appendleft(job)

    def _commit_gathered(self) -> None:
        """Commits what handlers before the one at work have done: their connections wait for it."""
        try:
            self._dispatcher.committer.rescue()
        except LayerUnavailable as error:
            rate_limited.warning("uncommitted", "cannot commit: %s", error)

    def _ask_for_beat(self, now_s: float) -> None:
        if now_s - self._asked_s >= BEAT_S and self._beat_s >= self._asked_s and not self._loop.is_closed():
            self._asked_s = now_s
            self._loop.call_soon_threadsafe(self._beat)

    def _beat(self) -> None:
        self._beat_s = perf_counter()

    def _stuck_since(self, now_s: float) -> int | None:
        """The thread that a handler has held over the limit."""
        if self._beat_s < self._asked_s and now_s - self._asked_s > self._limit_s:
            return self._watched
        for thread, began_s in self._dispatcher.runner.threads_began_s.copy().items():
            if now_s - began_s > self._limit_s:
                return thread
        return None

    def _give_up(self, thread: int) -> None:
        frame = sys._current_frames().get(thread)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else "(gone)"
        text = "a handler is stuck for over %.0f s, this worker ends; its stack:\n%s"
        _attempt(lambda: log.critical(text, self._limit_s, stack))
        self._end(ExitCode.STUCK)


def _attempt(work: Callable[[], None]) -> None:
    """Does something that may never return: the handler may be stuck with a lock of `logging` in its hand."""
    thread = threading.Thread(target=work, name="trunkline-last-words", daemon=True)
    thread.start()
    thread.join(LAST_WORDS_S)
