"""How often something may happen: a token bucket whose whole state is one number. Pure.

The bucket is kept as the moment at which it will be full again ("virtual scheduling" of the generic cell rate
algorithm, ITU-T I.371 annex A): no counter to refill, no timer, and whoever was quiet long enough has the number 0.0
that everybody begins with. Taking a token is an addition and two comparisons.
"""

from __future__ import annotations

from typing import Final

NONE_LEFT: Final = -1.0
"""`Rate.take` when the bucket is empty."""
FULL: Final = 0.0
"""The state of a full bucket."""


class Rate:
    """A token bucket's measure; the state of each bucket is with whoever it is for.

    Args:
        per_s: tokens that flow in a second.
        burst: tokens a full bucket holds, at least 1.
    """

    __slots__ = ("_bucket_s", "_interval_s")

    def __init__(self, per_s: float, burst: int) -> None:
        self._interval_s = 1.0 / per_s
        self._bucket_s = self._interval_s * burst

    def take(self, full_at_s: float, now_s: float, tokens: int = 1) -> float:
        """Takes a token, or several at once; from a full bucket as many as are wanted.

        Args:
            full_at_s: the bucket: when it will be full again, `FULL` for a new one.
            now_s: the present on the same clock.
            tokens: how many.

        Returns:
            The bucket afterwards; `NONE_LEFT` if there are not as many, and the bucket stays as it was.
        """
        taken_s = self._interval_s * tokens
        if full_at_s <= now_s:
            return now_s + taken_s
        if full_at_s - now_s + taken_s > self._bucket_s:
            return NONE_LEFT
        return full_at_s + taken_s
