"""Faults: what nobody expected to be raised. It is told with its traceback, and ends nothing else."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from types import TracebackType

from ..process import pulse
from ..process.logs import RateLimited

_warnings = RateLimited(logging.getLogger(__name__))


def tell_fault(who: str, doing: str, error: BaseException) -> None:
    """Logs a fault with its traceback, at a bounded rate for each kind.

    Args:
        who: role and id, as in ``worker=w0``.
        doing: the kind: what failed, in words behind "failed to". One of a few, never with an id in it.
        error: what was raised.
    """
    _warnings.warning(doing, "%s failed to %s\n%s", who, doing, "".join(traceback.format_exception(error)))


class Survives:
    """A context that outlives what is done in it: a fault is told, and execution goes on behind it.

    For what serves many and calls one of them: a mistake of ours in that one must neither stop the others nor end a
    loop or thread for good, and at that place nobody knows what it may raise. It is for the fault alone: errors that
    are expected are handled within. What is no `Exception` (`asyncio.CancelledError`, `KeyboardInterrupt`) passes.

    Where each message would pay for it, and where more follows from the fault, a plain ``except`` stands instead.

    Args:
        who: role and id, as in ``worker=w0``.
        doing: what is done, for `tell_fault`.
    """

    __slots__ = ("_doing", "_who")

    def __init__(self, who: str, doing: str) -> None:
        self._who = who
        self._doing = doing

    def __enter__(self) -> None:
        """Nothing is needed before."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Whether the exception was a fault, and is told."""
        if not isinstance(error, Exception):
            return False
        tell_fault(self._who, self._doing, error)
        return True


async def keep_doing(step: Callable[[], None], period_s: float, who: Callable[[], str], doing: str) -> None:
    """Takes a step at each beat of a period (see `pulse`) until it is cancelled. A step that raises does not end it.

    Args:
        step: what is done.
        period_s: seconds between two steps; before the first it is half to one and a half of that.
        who: role and id, asked for before each step: it may be known only later.
        doing: what the step does, for `tell_fault`.
    """
    while True:
        await pulse.beat(period_s)
        with Survives(who(), doing):
            step()
