"""Python imports this at the start of a process that has this folder on its PYTHONPATH: SIGUSR1 puts the wall clock of
that process an hour ahead, SIGUSR2 an hour back. The monotonic clock goes on, as it does when somebody sets a clock."""

from __future__ import annotations

import signal
import time

HOUR_S = 3600.0

_true_time = time.time
_shift_s = 0.0


def _shifted() -> float:
    return _true_time() + _shift_s


def _shift(number: int, frame: object) -> None:
    global _shift_s
    _shift_s += HOUR_S if number == signal.SIGUSR1 else -HOUR_S


time.time = _shifted
signal.signal(signal.SIGUSR1, _shift)
signal.signal(signal.SIGUSR2, _shift)
