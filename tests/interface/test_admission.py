"""Who is let in while workers cannot keep up."""

from __future__ import annotations

from collections import deque

import pytest

from trunkline.interface.admission import CALM, LOOK_S, TURN_S, Admission
from trunkline.protocol.names import CONNECT, RECEIVE, REQUEST


def test_beyond_the_limit_it_is_busy_and_calm_again_only_well_below() -> None:
    admission = Admission(2.0)
    seen = []
    for wait_s in (1.9, 2.1, 1.5, 2.0 * CALM + 0.01, 2.0 * CALM, 1.5):
        admission.look({RECEIVE: wait_s})
        seen.append(admission.busy)

    assert seen == [False, True, True, True, False, False]


@pytest.mark.parametrize(
    ("channel", "sockets", "requests"),
    [(CONNECT, True, False), (RECEIVE, True, False), (REQUEST, False, True)],
)
def test_sockets_and_requests_are_judged_by_their_own_channels(
    channel: str, sockets: bool, requests: bool
) -> None:
    admission = Admission(2.0)
    admission.look({channel: 3.0})  # type: ignore[dict-item]

    assert (admission.busy, admission.requests_busy) == (sockets, requests)
    assert admission.wait_s == 3.0


def test_without_a_limit_nobody_is_refused_and_with_none_who_knows_neither() -> None:
    unlimited = Admission(0.0)
    unlimited.look({RECEIVE: 1000.0})
    assert not unlimited.busy

    admission = Admission(1.0)
    admission.look({RECEIVE: 5.0})
    admission.turns(0, 5, 5)
    admission.look({})
    assert not admission.busy


def test_when_nothing_is_released_somebody_still_gets_a_turn() -> None:
    admission = Admission(1.0)
    assert admission.turns(0, 0, 5) == 5
    admission.look({RECEIVE: 60.0})

    assert admission.turns(0, 0, 5) == 1
    assert admission.turns(0, 1, 5) == 0


def test_while_somebody_gets_no_turn_there_is_overload_however_short_the_queue() -> None:
    admission = Admission(1.0)
    admission.look({RECEIVE: 5.0})
    admission.turns(0, 1, 1)
    admission.look({RECEIVE: 0.0})
    assert admission.busy

    admission.turns(0, 0, 1)
    admission.look({RECEIVE: 0.0})
    assert not admission.busy


class Workers:
    """A cluster with one interface server and clients that send whenever they may.

    Args:
        limit_s: that an entry may wait.
        clients: connections.
        per_s: entries that workers handle in a second.
        handler_s: how long a handler takes, beside others (an asynchronous one).
    """

    def __init__(self, limit_s: float, clients: int, per_s: float, handler_s: float = 0.0) -> None:
        self.admission = Admission(limit_s)
        self.queue: deque[float] = deque()  # when each entry came
        self.handled: deque[float] = deque()  # when each entry that a worker has is released
        self.queueing = 0
        self.free = clients
        self.released = 0
        self.idle_s = 0.0
        self.per_s = per_s
        self.handler_s = handler_s
        self._credit = 0.0
        self._step = 0

    def run(self, seconds: float) -> float:
        """Goes on for so long; gives the longest wait of an entry that a worker took meanwhile."""
        longest_s = 0.0
        for _ in range(round(seconds / TURN_S)):
            now_s = self._step * TURN_S
            self.queue.extend([now_s] * self.free)
            self.free = 0
            self._credit = min(self._credit, 1.0) + self.per_s * TURN_S
            while self._credit >= 1.0 and self.queue:
                longest_s = max(longest_s, now_s - self.queue.popleft())
                self.handled.append(now_s + self.handler_s)
                self._credit -= 1.0
            self.idle_s += (self._credit >= 1.0) * TURN_S
            self._release(now_s)
            if self._step % round(LOOK_S / TURN_S) == 0:
                self.admission.look({RECEIVE: now_s - self.queue[0] if self.queue else 0.0})
            under_way = len(self.queue) + len(self.handled)
            turns = self.admission.turns(self.released, under_way, self.queueing)
            self.queueing -= turns
            self.free += turns
            self._step += 1
        return longest_s

    def _release(self, now_s: float) -> None:
        while self.handled and self.handled[0] <= now_s:
            self.handled.popleft()
            self.released += 1
            if self.admission.busy:
                self.queueing += 1
            else:
                self.free += 1


@pytest.mark.parametrize("handler_s", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("clients", [2000, 5000])
@pytest.mark.parametrize("per_s", [50.0, 400.0])
def test_with_clients_that_send_all_the_time_an_entry_waits_no_longer_than_the_limit(
    clients: int, per_s: float, handler_s: float
) -> None:
    workers = Workers(1.0, clients, per_s, handler_s)
    # The first wave is there before anybody knows: an entry of each connection.
    workers.run(clients / per_s + 20)
    workers.idle_s = 0.0

    longest_s = workers.run(120)

    assert longest_s <= 1.5
    assert workers.admission.busy
    # Workers have something to do nearly all the while, also where handlers take longer than an entry may wait.
    assert workers.idle_s <= 120 * 0.15


def test_more_workers_are_made_use_of_and_end_the_overload() -> None:
    workers = Workers(1.0, 300, 50.0)
    workers.run(20)
    before = workers.released
    assert workers.admission.busy
    workers.per_s = 5000.0

    workers.run(10)

    assert not workers.admission.busy
    assert workers.released - before > 10_000
