"""The watchdog: a thread that looks at handlers which hold the event loop.

A handler that takes long must not hold back the entries behind it, which an idle worker could take; and one that
never ends must not make the worker useless for ever. Neither can be seen to from the event loop it blocks.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from time import perf_counter

from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.layer import WorkerLayer

from .dispatcher import Dispatcher
from .job import Job

log = logging.getLogger(__name__)

POLL_S = 0.05
GIVE_BACK_S = 0.1
"""A handler that has held the event loop so long gives away what waits behind it."""
BEAT_S = 0.5
"""How often the event loop is asked for a sign of life."""


def end_process(code: ExitCode) -> None:
    """Ends the process from any thread, without cleaning up: whatever is stuck would wait for ever."""
    logging.shutdown()
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
        while not self._stop.wait(POLL_S):
            now_s = perf_counter()
            self._relieve(now_s)
            self._ask_for_beat(now_s)
            stuck = self._stuck_since(now_s)
            if stuck is not None:
                self._give_up(stuck)
                return

    def _relieve(self, now_s: float) -> None:
        began_s = self._dispatcher.began_s
        if began_s is None or now_s - began_s < GIVE_BACK_S:
            return
        waiting: list[Job] = []
        while self._dispatcher.queue:
            try:
                waiting.append(self._dispatcher.queue.pop())
            except IndexError:  # the handler has just ended and its thread was quicker
                break
        if not waiting:
            return
        try:
            self._layer.give_back([job.delivery for job in waiting])
        except LayerUnavailable as error:
            log.warning("cannot hand back entries=%d: %s", len(waiting), error)
            self._dispatcher.queue.extend(reversed(waiting))
        else:
            self._dispatcher.metrics.given_back.value += len(waiting)

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
        for thread, began_s in list(self._dispatcher.runner.threads_began_s.items()):
            if now_s - began_s > self._limit_s:
                return thread
        return None

    def _give_up(self, thread: int) -> None:
        frame = sys._current_frames().get(thread)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else "(gone)"
        log.critical(
            "a handler is stuck for over %.0f s, this worker ends; its stack:\n%s", self._limit_s, stack
        )
        self._end(ExitCode.STUCK)
