"""How many entries to ask for at once. Pure.

One entry at a time wastes a round trip each; too many make those at the end wait behind slow handlers although
another worker is idle. So a batch is as large as this worker handles in a few milliseconds, judged by what its
handlers took lately.
"""

from __future__ import annotations

from typing import Final

FIRST: Final = 8
"""Entries in the first batches, before it is known what handlers take."""
TARGET_S: Final = 0.008
"""What a batch should take. Several round trips of Redis (0.1 ms each), and well below what a person notices."""
WEIGHT: Final = 0.2
"""Of the newest batch in the moving average: five batches after handlers turn slow, the average has followed."""


class Prefetch:
    """Watches how long entries block the worker and gives the size of the next batch.

    Args:
        limit: entries at most.

    Attributes:
        count: entries to ask for.
    """

    __slots__ = ("_entry_s", "count", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._entry_s = TARGET_S / FIRST
        self.count = min(limit, FIRST)

    def batch(self, entries: int, seconds: float) -> None:
        """Notes that a batch of entries blocked the worker for so many seconds."""
        if entries > 0:
            self._entry_s += WEIGHT * (seconds / entries - self._entry_s)
            few = self._entry_s * self.limit > TARGET_S
            self.count = max(1, int(TARGET_S / self._entry_s)) if few else self.limit
