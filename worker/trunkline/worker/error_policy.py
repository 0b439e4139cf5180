"""What happens to a message, and to its connection, when its handler raises. Pure.

========================  ================================================================================
``on_error="dead"``       the message becomes a dead letter, the connection goes on (the default)
``on_error="close"``      the same, and the connection is closed with 1011
``on_error=Retry(...)``   its handler is called again, up to ``times`` more, then as ``"dead"``
``raise Retry(...)``      the same for this one failure, whatever the route says; then as the route says
========================  ================================================================================
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from trunkline.protocol.errors import ConfigError, ControlFlow

MAX_TIMES = 100
MAX_PAUSE_S = 3600.0
"""An hour. What shall happen later than that is no retry: send it with ``delay_s``."""


class Retry(ControlFlow):
    """Call the handler again: as the policy of a route, or raised within a handler.

    As ``route(..., on_error=Retry(times=3))`` it counts for every error of the handler, a timeout among them. As
    ``raise Retry(after_s=5)`` it asks for another call without being an error itself. What the failed call has sent and
    what it did to the session is dropped either way, but for what it flushed. The wait before the first new call is
    ``backoff_s``, before each further one twice that of the one before.

    Args:
        times: how often the handler is called again before its message becomes a dead letter. Raised on a route that
            has a `Retry` of its own, that one's bound holds. A worker that died with the message counts as a call.
        backoff_s: seconds before the first new call.
        max_backoff_s: no wait is longer.
        jitter: from 0 to 1: each wait is shorter by a random share of up to this much, so that what failed together
            does not come back together.
        after_s: only raised: wait just so many seconds this time.

    Raises:
        ConfigError: a value is none of these.
    """

    def __init__(
        self,
        times: int = 3,
        backoff_s: float = 1.0,
        max_backoff_s: float = 60.0,
        jitter: float = 0.2,
        *,
        after_s: float | None = None,
    ) -> None:
        if type(times) is not int or not 1 <= times <= MAX_TIMES:
            raise ConfigError(f"Retry(times={times!r}): expected an int from 1 to {MAX_TIMES}")
        for name, value in (("backoff_s", backoff_s), ("max_backoff_s", max_backoff_s), ("after_s", after_s)):
            if value is not None and not _is_between(value, MAX_PAUSE_S):
                raise ConfigError(f"Retry({name}={value!r}): expected seconds from 0 to {MAX_PAUSE_S:.0f}")
        if not _is_between(jitter, 1.0):
            raise ConfigError(f"Retry(jitter={jitter!r}): expected a share from 0 to 1")
        self.times = times
        self.backoff_s = float(backoff_s)
        self.max_backoff_s = float(max_backoff_s)
        self.jitter = float(jitter)
        self.after_s = after_s if after_s is None else float(after_s)
        when = "" if after_s is None else f" in {after_s:g} s"
        super().__init__(f"the handler asked to be called again{when}")

    def pause_s(self, failed: int, chance: float) -> float:
        """The wait before the next call.

        Args:
            failed: how often it has failed, 1 or more.
            chance: at random from 0 to 1.
        """
        wait_s = min(self.max_backoff_s, self.backoff_s * 2.0 ** (failed - 1))
        return wait_s * (1.0 - self.jitter * chance)

    def __repr__(self) -> str:
        after = "" if self.after_s is None else f", after_s={self.after_s:g}"
        return (
            f"Retry(times={self.times}, backoff_s={self.backoff_s:g}, max_backoff_s={self.max_backoff_s:g}, "
            f"jitter={self.jitter:g}{after})"
        )


class ErrorPolicy(NamedTuple):
    """The policy of one route.

    Attributes:
        kind: what becomes of a message that is not tried again: ``dead``: a dead letter, and the connection goes on;
            ``close``: the same, and the connection is closed with 1011.
        retry: before that the handler is called again so; None: only if it asks for that.
    """

    kind: Literal["dead", "close"]
    retry: Retry | None = None

    def bound(self, error: BaseException) -> Retry | None:
        """What says how often a message with this error is tried again, None if it is not."""
        return self.retry or (error if isinstance(error, Retry) else None)

    def next_pause_s(self, error: BaseException, failed: int, chance: float) -> float | None:
        """Seconds until the handler is called again, None if that is over.

        Args:
            error: what it raised.
            failed: how often it has failed, 1 or more.
            chance: see `Retry.pause_s`.
        """
        bound = self.bound(error)
        if bound is None or failed > bound.times:
            return None
        if isinstance(error, Retry) and error.after_s is not None:
            return error.after_s
        return bound.pause_s(failed, chance)


DEAD = ErrorPolicy("dead")
CLOSE = ErrorPolicy("close")

NAMES = {"dead": DEAD, "close": CLOSE}
"""The policies a route names with a str."""


def _is_between(value: object, most: float) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return not math.isnan(value) and 0 <= value <= most
