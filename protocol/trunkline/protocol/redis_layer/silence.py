"""Silence: how long a call has waited for its answer, and whether that means that Redis is away. For both tiers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from .faults import Survives
from .link import Link

log = logging.getLogger(__name__)

SILENCE_S = 1.0
"""An unanswered call older than this means that Redis is away."""
GIVE_UP_S = 15.0
"""After so much silence the connection itself is suspected (a machine that vanished sends no reset)."""


def _nothing() -> None:
    """Stands for a receiver until there is one."""


class Silence:
    """Watches the calls of a link.

    Args:
        link: that carries the calls.

    Attributes:
        who: role and id of the side, for logs.
        away: the receiver was told that Redis is away, and not yet that it is back.
        ended: the side has ended; nothing is said any more of Redis being away.
    """

    __slots__ = ("_link", "_since_s", "_tell_away", "_tell_back", "away", "ended", "who")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._since_s: float | None = None
        self._tell_away: Callable[[], None] = _nothing
        self._tell_back: Callable[[], None] = _nothing
        self.who = ""
        self.away = False
        self.ended = False

    def begin(self, who: str, tell_away: Callable[[], None], tell_back: Callable[[], None]) -> None:
        """Names the side and whom to tell."""
        self.who, self._tell_away, self._tell_back = who, tell_away, tell_back

    def called(self) -> None:
        """A call was sent."""
        if self._since_s is None:
            self._since_s = time.monotonic()

    def answered(self) -> None:
        """A call was answered. Answers come in order: what still waits was sent after it, or is a moment older than
        now."""
        self._since_s = time.monotonic() if self._link.waiting else None

    def settle(self) -> None:
        """Answers that nobody counts may have come last: without a call that waits there is no silence."""
        if not self._link.waiting:
            self._since_s = None

    def forget(self) -> None:
        """No call waits any more: the connection is gone, or new."""
        self._since_s = None

    def look(self, reads: Link) -> bool:
        """Draws the conclusions of a silence that lasts.

        Args:
            reads: the side's other link, given up together with that of the calls.

        Returns:
            Whether both links were given up.
        """
        silence_s = 0.0 if self._since_s is None else time.monotonic() - self._since_s
        if silence_s > SILENCE_S:
            self.go_away()
        if silence_s <= GIVE_UP_S:
            return False
        self._link.reset(f"no answer for {silence_s:.0f} s")
        reads.reset("the other link was silent")
        return True

    def go_away(self) -> None:
        """Tells the receiver once that Redis does not answer."""
        if self.away or self.ended:
            return
        self.away = True
        log.warning("%s Redis does not answer", self.who)
        with Survives(self.who, "take note that Redis is away"):
            self._tell_away()

    def come_back(self) -> None:
        """Tells the receiver, if it was told the contrary, that Redis answers."""
        if not self.away:
            return
        self.away = False
        log.info("%s Redis answers again", self.who)
        with Survives(self.who, "take note that Redis is back"):
            self._tell_back()
