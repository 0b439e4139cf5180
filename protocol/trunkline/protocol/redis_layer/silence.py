"""Silence: how long a call has waited for its answer, and whether that means that Redis is away. For both tiers.

It is found out by a look now and then, so that calls and answers need not be noted one by one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from .faults import Survives
from .link import Link
from .wire import Callback

log = logging.getLogger(__name__)

SILENCE_S = 1.0
"""A call that looks have seen unanswered for longer than this means that Redis is away."""
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

    __slots__ = ("_link", "_oldest", "_since_s", "_tell_away", "_tell_back", "away", "ended", "who")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._oldest: Callback | None = None  # call that had waited longest at the last look
        self._since_s = 0.0  # and the look that saw it first
        self._tell_away: Callable[[], None] = _nothing
        self._tell_back: Callable[[], None] = _nothing
        self.who = ""
        self.away = False
        self.ended = False

    def begin(self, who: str, tell_away: Callable[[], None], tell_back: Callable[[], None]) -> None:
        """Names the side and whom to tell."""
        self.who, self._tell_away, self._tell_back = who, tell_away, tell_back

    def look(self, reads: Link) -> None:
        """Draws the conclusions of a silence that lasts. To be called twice in `SILENCE_S` or more often.

        Args:
            reads: the side's other link, given up together with that of the calls.
        """
        silence_s = self._lasts_s()
        if silence_s > SILENCE_S:
            self.go_away()
        if silence_s > GIVE_UP_S:
            self._link.reset(f"no answer for {silence_s:.0f} s")
            reads.reset("the other link was silent")

    def _lasts_s(self) -> float:
        now_s = time.monotonic()
        oldest = self._link.oldest
        # Answers come in order, so another call has waited longest as soon as any was answered; and each is told by its
        # callback, which is an object of its own as every bound method and closure is.
        if oldest is not self._oldest:
            self._oldest, self._since_s = oldest, now_s
        return 0.0 if oldest is None else now_s - self._since_s

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
