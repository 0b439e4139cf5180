"""Where a command that changes a cluster may be broken off by SIGINT and SIGTERM, and where it finishes its step first.

A signal that came between a step and the note of it would leave a cluster that wants one worker too many.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_HELD: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Holds both signals back, from the main thread, until its end or the next `breakable` stretch inside of it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def breakable() -> Iterator[None]:
    """Lets both signals in, those held back before among them. What they raise is raised inside of it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        # What was held back is raised here already.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
