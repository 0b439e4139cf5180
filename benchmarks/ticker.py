"""A clock for paced load. Timers of uvloop and asyncio go in milliseconds; the latencies measured are below one."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from collections.abc import Callable
from typing import Final

_TFD_NONBLOCK: Final = os.O_NONBLOCK
_TFD_CLOEXEC: Final = os.O_CLOEXEC
_TFD_TIMER_ABSTIME: Final = 1
_NS_PER_S: Final = 1_000_000_000


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


class Ticker:
    """Calls back at an even pace, by a timerfd(2) in the event loop.

    Python has ``os.timerfd_create`` from 3.13 on; with that as the oldest Python, ctypes can go.

    Args:
        loop: the running loop.
        start_ns: of the monotonic clock: the first tick.
        interval_ns: from tick to tick.
        on_tick: called at each; ticks that were missed are one call.
    """

    __slots__ = ("_file", "_loop", "_on_tick")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, start_ns: int, interval_ns: int, on_tick: Callable[[], None]
    ) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._loop = loop
        self._on_tick = on_tick
        self._file = _checked(libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC))
        times = _Itimerspec(
            _Timespec(*divmod(interval_ns, _NS_PER_S)), _Timespec(*divmod(start_ns, _NS_PER_S))
        )
        _checked(libc.timerfd_settime(self._file, _TFD_TIMER_ABSTIME, ctypes.byref(times), None))
        loop.add_reader(self._file, self._ticked)

    def _ticked(self) -> None:
        try:
            os.read(self._file, 8)
        except BlockingIOError:
            return
        self._on_tick()

    def stop(self) -> None:
        """No more ticks."""
        self._loop.remove_reader(self._file)
        os.close(self._file)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"timerfd: {os.strerror(number)}")
    return result
