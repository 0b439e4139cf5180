"""Slots: how many handlers of one kind may be at work at the same time. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from .metrics import ASYNC, LOOP, THREADS
from .settings import WorkerOptions


class Slots:
    """Counts those that are free.

    Args:
        limit: of the handlers at work.
    """

    __slots__ = ("free",)

    def __init__(self, limit: int) -> None:
        self.free = limit

    def take(self) -> bool:
        """Takes one; False if none is free."""
        if self.free <= 0:
            return False
        self.free -= 1
        return True

    def give(self) -> None:
        """Gives one back."""
        self.free += 1


class Called(Protocol):
    """What is to be known of a route."""

    @property
    def name(self) -> str:
        """Of its handler."""
        ...

    @property
    def is_async(self) -> bool:
        """Whether that is an `async def`."""
        ...


def slots_of(routes: Iterable[Called], settings: WorkerOptions) -> tuple[dict[str, int], dict[str, str]]:
    """The slots of a worker, for its metrics.

    Args:
        routes: that it serves.
        settings: how many handlers of each kind may be at work.

    Returns:
        Kind to number, of the kinds that the routes need, and route name to kind.
    """
    plain = THREADS if settings.threads else LOOP
    numbers = {LOOP: 1, THREADS: settings.threads, ASYNC: settings.concurrency}
    kinds = {route.name: ASYNC if route.is_async else plain for route in routes}
    return {kind: numbers[kind] for kind in sorted({*kinds.values()} or {plain})}, kinds
