"""Vital signs that every process tells: by how much its event loop is late, its clock, its kernel's bounds."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Final

from . import pulse
from .facts.machine import MachineFacts
from .metrics import MetricSet

BEAT_S: Final = 0.5
"""Twice a second costs an idle process nothing that could be measured, and finds every handler that blocks for long."""
WINDOW_S: Final = 10.0
"""A lag is told for so long at least, and for twice as long at most, so that a scrape every 15 s sees most of them."""


class LoopLag:
    """The worst lag of the last seconds. Pure.

    Args:
        now_s: seconds that only rise.
    """

    __slots__ = ("_before_s", "_began_s", "_worst_s")

    def __init__(self, now_s: float) -> None:
        self._began_s = now_s
        self._worst_s = 0.0
        self._before_s = 0.0

    def note(self, late_s: float, now_s: float) -> None:
        """The loop did something so much too late."""
        self._turn(now_s)
        self._worst_s = max(self._worst_s, late_s)

    def worst_s(self, now_s: float) -> float:
        """The worst of this window and the one before."""
        self._turn(now_s)
        return max(self._worst_s, self._before_s)

    def _turn(self, now_s: float) -> None:
        passed = now_s - self._began_s
        if passed < WINDOW_S:
            return
        self._before_s = self._worst_s if passed < 2 * WINDOW_S else 0.0
        self._worst_s = 0.0
        self._began_s = now_s


class Vitals:
    """Declares them, and listens to the event loop's pulse between `start` and `stop`.

    Args:
        metrics: where they are declared.
    """

    def __init__(self, metrics: MetricSet) -> None:
        self._lag = LoopLag(time.monotonic())
        self._timer: asyncio.TimerHandle | None = None
        somaxconn = MachineFacts.read().somaxconn
        metrics.gauge(
            "loop_lag_seconds",
            "By how much the event loop was late at worst, in the last 10 to 20 seconds.",
            lambda: self._lag.worst_s(time.monotonic()),
        )
        metrics.gauge("clock_seconds", "Unix time by the clock of this process's machine.", time.time)
        metrics.gauge(
            "somaxconn",
            "Connections that the kernel lets wait to be accepted, for any listening socket.",
            lambda: math.nan if somaxconn is None else float(somaxconn),
        )

    def start(self) -> None:
        """Begins to listen, in the running event loop. Idempotent."""
        if self._timer is None:
            self._wait(asyncio.get_running_loop())

    def stop(self) -> None:
        """Ends it. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = loop.time()
        due_s = now_s + pulse.pause_s(BEAT_S, now_s, pulse.behind_s())
        self._timer = loop.call_at(due_s, self._beat, loop, due_s)

    def _beat(self, loop: asyncio.AbstractEventLoop, due_s: float) -> None:
        self._lag.note(max(0.0, loop.time() - due_s), time.monotonic())
        self._wait(loop)
