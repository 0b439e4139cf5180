"""Where a command that changes a cluster may be broken off by SIGINT and SIGTERM, and where it finishes its step first.

A signal that came between a step and the note of it would leave a cluster that wants one worker too many. Signals are
held back by handlers, not by the mask of the main thread: a library's thread would let them in.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_HELD: Final = (signal.SIGINT, signal.SIGTERM)


class _Hold:
    """Both signals, held back. ``before`` is what handles them otherwise, ``came`` what came meanwhile."""

    def __init__(self) -> None:
        self.before: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in _HELD}
        self.came: list[int] = []

    def hold(self) -> None:
        for number in _HELD:
            signal.signal(number, lambda number, _: self.came.append(number))

    def let_in(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        if self.came:
            signal.raise_signal(self.came.pop())


_holds: list[_Hold] = []


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Holds both signals back until its end, or the next `breakable` stretch inside of it. Only in the main thread."""
    hold = _Hold()
    _holds.append(hold)
    hold.hold()
    try:
        yield
    finally:
        _holds.remove(hold)
        hold.let_in()


@contextmanager
def breakable() -> Iterator[None]:
    """Lets both signals in, one that was held back before among them. What they raise is raised inside of it."""
    if not _holds:
        yield
        return
    hold = _holds[-1]
    try:
        hold.let_in()
        yield
    finally:
        hold.hold()
