"""Faults: what nobody expected to be raised. It is told with its traceback, and ends nothing else."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable

from ..process.logs import RateLimited

_warnings = RateLimited(logging.getLogger(__name__))


def tell_fault(who: str, doing: str) -> None:
    """Logs the exception that is being handled, with its traceback, at a bounded rate for each kind.

    Args:
        who: role and id, as in ``worker=w0``.
        doing: the kind: what failed, in words behind "failed to". One of a few, never with an id in it.
    """
    _warnings.warning(doing, "%s failed to %s\n%s", who, doing, traceback.format_exc())


async def keep_doing(step: Callable[[], None], period_s: float, who: Callable[[], str], doing: str) -> None:
    """Takes a step every ``period_s`` seconds until it is cancelled. A step that raises does not end it.

    Args:
        step: what is done.
        period_s: pause before each step.
        who: role and id, asked for when something failed.
        doing: what the step does, for `tell_fault`.
    """
    while True:
        await asyncio.sleep(period_s)
        try:
            step()
        except Exception:
            tell_fault(who(), doing)
