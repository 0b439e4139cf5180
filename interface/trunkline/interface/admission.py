"""What is let in while the workers have more to do than they can. Pure.

A connection has one entry in a stream at most, so streams are bounded by the number of connections; but how long an
entry waits there is bounded by nothing that is counted. So it is measured: the age of the oldest entry that no worker
has been given. Beyond the limit new handshakes and requests are refused, and open sockets are read in turns: each reads
once, and again when its entry is released and its turn has come. What is not read waits in the clients.

So many turns are given that as many messages are under way as the workers release within the time that an entry may
wait (Little's law). That looks ahead, where the age of the oldest entry only says how long the queue was when that one
came. But it takes the time in handlers for waiting, so while hardly anything waits, turns are given beyond it. How many
messages a turn brings is learned: clients may have one, thirty or none.
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
GROWTH: Final = 1.2
"""What is let in while hardly anything waits, in what is released meanwhile."""
TRICKLE: Final = 0.2
"""Turns in `TURN_S` that are given then in any case, also if a handler that takes for ever lets nothing be released."""
SMOOTHING: Final = 0.1
"""Of the newest interval in the moving averages."""
SILENCE: Final = 0.5
"""The same for turns that brought nothing: clients that have fallen silent shall not hold up those that have not."""
MIN_PER_TURN: Final = 1 / 16
"""The least that a turn is taken to bring. So many turns for one message are given to clients that have fallen silent;
should all of them speak at once, as many times more is let in as should be."""


class Admission:
    """Decides from the wait in the channels and the releases.

    Args:
        limit_s: seconds an entry may wait until a worker is given it; 0 for any time.

    Attributes:
        busy: workers cannot keep up with WebSockets.
        requests_busy: workers cannot keep up with plain requests.
        wait_s: the longest wait seen at the last look, of all channels.
    """

    __slots__ = (
        "_credit",
        "_given",
        "_left",
        "_limit_s",
        "_pace",
        "_per_turn",
        "_received",
        "_socket_s",
        "_under_way",
        "busy",
        "requests_busy",
        "wait_s",
    )

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._socket_s = 0.0
        self._pace = 0.0
        self._per_turn = 1.0
        self._credit = 0.0
        self._given = 0
        self._left = False
        self._received = 0
        self._under_way: int | None = None
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

    def turns(self, received: int, under_way: int | None, queueing: int, passed: int = 1) -> int:
        """How many connections get their turn. Call it every `TURN_S`; less often, with what has passed, will do while
        it is not `busy` and nobody waits.

        Args:
            received: messages received since the begin.
            under_way: how many of them are not released yet, None unless it is `busy`.
            queueing: connections that wait for their turn.
            passed: how often `TURN_S` has passed since the last call.
        """
        self._learn(received, under_way, passed)
        if self.busy and under_way is not None:
            # What is left of a turn is given with the next, but nothing is saved up while nobody may have one.
            self._credit = max(0.0, self._credit % 1.0 + self._turns(under_way))
            # With nothing under way nothing would be released, and nobody would find out that workers are back.
            self._given = min(queueing, max(int(self._credit), 0 if under_way else 1))
        else:
            self._given = queueing
        self._left = self._given < queueing
        return self._given

    def _turns(self, under_way: int) -> float:
        room = self._pace / TURN_S * self._limit_s * AIM - under_way
        if self._socket_s >= self._limit_s * CALM:
            return room / self._per_turn
        return max(room / self._per_turn, self._pace * GROWTH / self._per_turn, TRICKLE)

    def _learn(self, received: int, under_way: int | None, passed: int) -> None:
        came = received - self._received
        released = came
        if under_way is not None and self._under_way is not None:
            released += self._under_way - under_way
            if self._given:
                brought = max(MIN_PER_TURN, came / self._given)
                self._per_turn += (SMOOTHING if came else SILENCE) * (brought - self._per_turn)
        # While workers keep up, what comes is what is released.
        self._pace += (1 - (1 - SMOOTHING) ** passed) * (max(0, released) / passed - self._pace)
        self._received = received
        self._under_way = under_way
