"""What waits for the layer's answer, by shard: what waits for one that is away must not hold up the others. Pure."""

from __future__ import annotations

from collections import Counter


class Underway:
    """Counts.

    Args:
        away: the shards that do not answer now; looked at, never changed.

    Attributes:
        count: all that waits.
    """

    __slots__ = ("_away", "_of", "count")

    def __init__(self, away: set[int]) -> None:
        self.count = 0
        self._of: Counter[int] = Counter()
        self._away = away

    def of(self, shard: int, change: int) -> None:
        """Of what was added to `count`, or taken from it, so much is for a shard. Not needed where there is one."""
        self._of[shard] += change

    @property
    def pressing(self) -> int:
        """What waits for shards that answer. Where there is one, all of it."""
        if not self._away:
            return self.count
        return self.count - sum(self._of[shard] for shard in self._away)
