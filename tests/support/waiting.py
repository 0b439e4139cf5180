"""The one way a test waits for something that no event or callback announces."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

POLL_S = 0.005


@overload
async def until(condition: Callable[[], Awaitable[T]], within_s: float = 5.0, what: str = "") -> T: ...


@overload
async def until(condition: Callable[[], T], within_s: float = 5.0, what: str = "") -> T: ...


async def until(condition: Callable[[], Any], within_s: float = 5.0, what: str = "") -> Any:
    """Waits for a condition by polling, with a deadline.

    Args:
        condition: what is looked at, a function or a coroutine function; it holds when the result is true.
        within_s: seconds until the wait fails.
        what: the condition in words, for the failure; otherwise its source location is shown.

    Returns:
        The first true result.

    Raises:
        AssertionError: it did not hold in time.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + within_s
    # The first looks follow at once: most conditions hold after an iteration or two of the loop.
    pause_s = 0.0
    while True:
        result = condition()
        value = await result if inspect.isawaitable(result) else result
        if value:
            return value
        if loop.time() > deadline_s:
            raise AssertionError(
                f"not within {within_s} s: {what or _place(condition)} (last seen: {value!r})"
            )
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s + POLL_S / 10, POLL_S)


def _place(condition: Callable[[], object]) -> str:
    code = getattr(condition, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else repr(condition)
