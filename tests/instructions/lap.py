"""A lap: so many messages on a hot path, made ready beforehand, run, and looked at behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

ECHO_TEXT: Final = "000123.000000045"
"""16 bytes, as the benchmarks send them."""


class Lap(NamedTuple):
    """Some messages on their way.

    Attributes:
        work: what is counted; nothing of it prepares or checks anything.
        check: fails if a message did not come out as it should: a path that gave up would be a cheap one.
    """

    work: Callable[[], None]
    check: Callable[[], None]


class HotPath(NamedTuple):
    """One hot path.

    Attributes:
        name: as the table shows it.
        messages: of a lap.
        lap: makes a lap of so many messages.
    """

    name: str
    messages: int
    lap: Callable[[int], Lap]
