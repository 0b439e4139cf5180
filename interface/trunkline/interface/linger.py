"""When a batch of publications leaves: at the end of the event loop's tick, or a moment later. Pure.

A batch costs interface server, Redis and worker together what several messages cost within it. While a few come in the
time of waiting it is cheaper to let them gather; what each of them loses is that time. Where they come more slowly, or
only after the answer to the one before (a single client that waits), there is nothing to gather, and where a tick
brings many by itself nothing is gained: then a batch leaves at once.

An event loop's timers go in whole milliseconds, and late. So a batch leaves with the publication that is due last by
the pace; the timer is for a pace that falters.
"""

from __future__ import annotations

from typing import Final

ENOUGH: Final = 8
"""Publications that a tick brings by itself and that leave at once: they share the cost of their batch already."""
WORTH: Final = 1.5
"""Publications that must be expected in the time of waiting: with the one that waits they make a batch of two or three,
which costs about a half of what they cost one by one."""
SLOWEST: Final = 4
"""A pause counts as so many times the time of waiting at most, or one of a minute would be remembered for a minute."""
FASTEST: Final = 1 / 1024
"""The same at least: more than come in so short a time are no batch for one call."""
WEIGHT: Final = 0.1
"""Of the newest batch in the moving average of the pace."""
TRIES: Final = 4
"""Waits that may bring nothing one after the other: at some pace that happens by chance."""
MIN_REST: Final = 64
MAX_REST: Final = 4096
"""Batches that leave at once after these, twice as many for each further wait that brings nothing: a client that waits
for its answers must not notice that it was tried."""


class Linger:
    """Watches the pace and says how long a batch waits.

    Args:
        limit_s: seconds it waits at most; 0 for never.

    Attributes:
        due: publications with which a batch that waits need not wait any longer.
    """

    __slots__ = ("_begun", "_gap_s", "_left_s", "_limit_s", "_next_rest", "_rest", "_vain", "due")

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._gap_s = limit_s * SLOWEST  # between two publications, on average
        self._left_s = float("-inf")  # when the last batch left
        self.due = 0
        self._begun = 0  # publications of the batch that waits, when it began to
        self._rest = 0  # batches that will leave at once
        self._next_rest = MIN_REST
        self._vain = 0  # waits that brought nothing, since the last that did

    def begin(self, count: int) -> float:
        """A batch is there at the end of its tick.

        Args:
            count: publications that it has.

        Returns:
            Seconds that it waits for more, or until it has those that are `due`; 0 to leave at once.
        """
        if count >= ENOUGH or self._gap_s * WORTH > self._limit_s or not self._limit_s:
            return 0.0
        if self._rest:
            self._rest -= 1
            return 0.0
        self._begun = count
        self.due = count + int(self._limit_s / self._gap_s + 0.5)
        return self._limit_s

    def leave(self, now_s: float, count: int) -> None:
        """A batch leaves.

        Args:
            now_s: seconds of a clock that only goes on.
            count: publications that it has by now.
        """
        gap_s = min(max((now_s - self._left_s) / count, self._limit_s * FASTEST), self._limit_s * SLOWEST)
        self._gap_s += WEIGHT * (gap_s - self._gap_s)
        self._left_s = now_s
        if not self._begun:
            return
        if count > self._begun:
            self._vain, self._next_rest = 0, MIN_REST
        else:
            self._vain += 1
            if self._vain >= TRIES:
                self._rest, self._next_rest = self._next_rest, min(self._next_rest * 2, MAX_REST)
        self._begun = 0
