"""What is let in while the workers have more to do than they can. Pure.

A connection has one entry in a stream at most, so streams are bounded by the number of connections; but how long an
entry waits there is bounded by nothing that is counted. So it is measured: the age of the oldest entry that no worker
has been given. Beyond the limit new handshakes and requests are refused, and open sockets are read in turns: each reads
once, and again when its entry is released and its turn has come. What is not read waits in the clients.

So many turns are given that as much is under way as the workers release within the time that an entry may wait
(Little's law). That looks ahead, where the age of the oldest entry only says how long the queue was when that one came.
But it takes the time in handlers for waiting, so while hardly anything waits, turns are given beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trunkline.protocol.names import CONNECT, RECEIVE, REQUEST, ChannelName

LOOK_S: Final = 0.5
"""How often the queues are looked at."""
TURN_S: Final = 0.1
"""How often turns are given."""
AIM: Final = 0.75
"""The wait that turns aim at, as a part of the limit: below it, so that the wait stays within."""
CALM: Final = 0.5
"""Below this part of the limit the wait is no reason to hold anybody back; not below the limit, or it would flutter."""
GROWTH: Final = 2.0
"""Turns in the time of a release while hardly anything waits."""
SMOOTHING: Final = 0.3
"""Of the newest interval in the moving average of releases."""


class Admission:
    """Decides from the wait in the channels and the releases.

    Args:
        limit_s: seconds an entry may wait until a worker is given it; 0 for any time.

    Attributes:
        busy: workers cannot keep up with WebSockets.
        requests_busy: workers cannot keep up with plain requests.
        wait_s: the longest wait seen at the last look, of all channels.
    """

    __slots__ = ("_left", "_limit_s", "_pace", "_released", "_socket_s", "busy", "requests_busy", "wait_s")

    def __init__(self, limit_s: float) -> None:
        self._left = False
        self._limit_s = limit_s
        self._pace = 0.0
        self._released = 0
        self._socket_s = 0.0
        self.busy = False
        self.requests_busy = False
        self.wait_s = 0.0

    def look(self, waits_s: Mapping[ChannelName, float]) -> None:
        """Decides who may come in. While some who waited got no turn there is overload, however short that keeps the
        queue.

        Args:
            waits_s: age of the oldest entry of each channel that no worker has been given; empty if nobody knows.
        """
        requests_s = waits_s.get(REQUEST, 0.0)
        self._socket_s = max(waits_s.get(CONNECT, 0.0), waits_s.get(RECEIVE, 0.0))
        self.wait_s = max(self._socket_s, requests_s)
        self.busy = self._decide(self.busy, self._socket_s) or (self.busy and self._left and bool(waits_s))
        self.requests_busy = self._decide(self.requests_busy, requests_s)

    def _decide(self, busy: bool, wait_s: float) -> bool:
        return wait_s > self._limit_s * (CALM if busy else 1.0) > 0

    def turns(self, released: int, under_way: int, queueing: int) -> int:
        """How many connections get their turn. Call it every `TURN_S`.

        Args:
            released: entries released since the begin.
            under_way: entries that are not released yet.
            queueing: connections that wait for their turn.
        """
        self._pace += SMOOTHING * (released - self._released - self._pace)
        self._released = released
        if not self.busy:
            return queueing
        turns = self._pace / TURN_S * self._limit_s * AIM - under_way
        if self._socket_s < self._limit_s * CALM:
            turns = max(turns, self._pace * GROWTH)
        # With nothing under way nothing would be released, and nobody would find out that workers are back.
        given = min(queueing, max(round(turns), 0 if under_way else 1))
        self._left = given < queueing
        return given
