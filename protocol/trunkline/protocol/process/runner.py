"""How a process runs: its event loop, its signals, its exit code, and its background loops supervised."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from ..errors import ConfigError, LayerUnavailable, RoutingError
from ..exit_codes import ExitCode

log = logging.getLogger(__name__)

Main = Callable[[asyncio.Event], Coroutine[Any, Any, int]]

ONE_STOP_S = 0.5
"""Signals this close together are one wish: Ctrl-C reaches a whole process group, and a supervisor in it then
sends SIGTERM besides. Taking the second for impatience would skip the drain."""


def run(main: Main, loop: str = "auto") -> int:
    """Runs a process to its end.

    Args:
        main: the process. Its event is set by the first SIGTERM or SIGINT: it then drains and returns its
            exit code. A later signal ends the process at once, with nothing more drained, and
            `ExitCode.FAILED`.
        loop: ``uvloop``, ``asyncio``, or ``auto`` for uvloop where it is installed.

    Returns:
        What ``main`` returned; or, with the reason on standard error, `ExitCode.ROUTING`, `ExitCode.USAGE` or
        `ExitCode.NO_REDIS` where it raised `RoutingError`, another `ConfigError` or `LayerUnavailable`.
        Anything else it raises comes through: Python shows the traceback and exits with 1, which is
        `ExitCode.FAILED`.
    """
    try:
        with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
            return runner.run(_until_stopped(main))
    except RoutingError as error:
        return _explained(error, ExitCode.ROUTING)
    except ConfigError as error:
        return _explained(error, ExitCode.USAGE)
    except LayerUnavailable as error:
        return _explained(error, ExitCode.NO_REDIS)


def _explained(error: Exception, code: ExitCode) -> int:
    print(error, file=sys.stderr, flush=True)
    return code


def loop_factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop that was asked for.

    Raises:
        ConfigError: uvloop was asked for and is not installed.
    """
    if loop == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError as error:
        if loop == "auto":
            return asyncio.new_event_loop
        raise ConfigError(
            "--loop uvloop: it is not installed; 'pip install uvloop' or --loop asyncio"
        ) from error
    return uvloop.new_event_loop


async def _until_stopped(main: Main) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    first_s = 0.0

    def on_signal(number: signal.Signals) -> None:
        nonlocal first_s
        if not stop.is_set():
            first_s = loop.time()
            log.info("stopping signal=%s", number.name)
            stop.set()
        elif loop.time() - first_s > ONE_STOP_S:
            log.error("ending at once, nothing more is drained signal=%s", number.name)
            os._exit(ExitCode.FAILED)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        return await main(stop)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


YOUNG_OBJECTS = 10_000
"""More objects made than freed before the garbage collector looks at the young ones (CPython 3.11 has 700). A cycle it
would find holds its memory for so much longer: a few MB at most."""


def settle_gc() -> None:
    """Takes what a started process holds out of the garbage collector's sight.

    Called once everything is imported and set up: modules, routes and settings live as long as the process,
    and a full collection that walks over them stops the loop for milliseconds
    (see
    https://docs.python.org/3/library/gc.html#gc.freeze). And lets it look for cycles less often: a batch of messages is
    a thousand objects that live for its length, so the default looks at all of them in every batch and finds nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


CANCEL_AGAIN_S = 1.0
"""A loop that was cancelled and still runs after this long has lost the cancellation in a library, and is cancelled
again. Seen with an interface server that was stopped just after its start: it never ended."""


class Supervised:
    """A background loop that is meant to run as long as its process; made by `supervise`."""

    __slots__ = ("_on_death", "_task", "name")

    def __init__(
        self,
        name: str,
        factory: Callable[[], Coroutine[Any, Any, None]],
        on_death: Callable[[str, BaseException | None], None],
    ) -> None:
        self.name = name
        self._on_death = on_death
        self._task = asyncio.get_running_loop().create_task(factory(), name=name)
        self._task.add_done_callback(self._ended)

    @property
    def alive(self) -> bool:
        """Whether the loop still runs."""
        return not self._task.done()

    async def stop(self) -> None:
        """Cancels the loop and waits for its end. Idempotent. Cancelling this only ends the waiting."""
        while not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CANCEL_AGAIN_S)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            if task.cancelling():
                return  # Somebody asked for it: `stop`, or the end of the event loop.
            error: BaseException | None = asyncio.CancelledError("something it waited for was cancelled")
        else:
            error = task.exception()
        log.error("a background loop died loop=%s error=%r", self.name, error, exc_info=error)
        self._on_death(self.name, error)


def supervise(
    name: str,
    factory: Callable[[], Coroutine[Any, Any, None]],
    on_death: Callable[[str, BaseException | None], None],
) -> Supervised:
    """Starts a background loop that must not die unseen.

    Args:
        name: for logs.
        factory: makes the loop's coroutine.
        on_death: called with the name and the error, None if it simply returned, when the loop ends although
            nobody cancelled it. It decides: start another, or end the process with `ExitCode.LOOP_DIED`.
    """
    return Supervised(name, factory, on_death)
