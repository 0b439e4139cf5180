"""Slots: how many handlers of one kind may be at work at the same time. Pure."""

from __future__ import annotations


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
