"""Whether this process was asleep: stopped by a signal, or with its machine. A Redis that was away is no sleep."""

from __future__ import annotations

import time

# Where there is one, the clock that also goes on while the machine is suspended.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Waking:
    """Notices by this process's own clock that it did nothing for longer than its lease.

    In that time it may have been declared dead, buried, and its connections' disconnects been handled. Redis says so,
    as long as it has its data; whoever finds a Redis that has lost them has nothing but this to tell by.

    Args:
        lease_s: after so much time without `look` it was asleep.
    """

    __slots__ = ("_lease_s", "_looked_s", "_sleeps", "_survived")

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._looked_s = time.clock_gettime(_CLOCK)
        self._sleeps = 0
        self._survived = 0

    def look(self) -> int:
        """Takes note that it is awake; call it more often than a lease lasts. How often it was asleep."""
        now_s = time.clock_gettime(_CLOCK)
        if now_s - self._looked_s > self._lease_s:
            self._sleeps += 1
        self._looked_s = now_s
        return self._sleeps

    def survived(self, sleeps: int) -> None:
        """Redis, asked behind so many sleeps, knows it still."""
        self._survived = max(self._survived, sleeps)

    @property
    def slept(self) -> bool:
        """Whether it was asleep and does not know what became of it meanwhile."""
        return self.look() > self._survived
