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


def test_what_passed_at_once_is_learned_as_if_it_had_been_looked_at_in_between() -> None:
    often, seldom = Admission(1.0), Admission(1.0)
    for number in range(5, 55, 5):
        often.turns(number, None, 0)
    seldom.turns(25, None, 0, 5)
    seldom.turns(50, None, 0, 5)

    for admission in (often, seldom):
        admission.look({RECEIVE: 60.0})

    assert often.turns(50, 0, 1000) == seldom.turns(50, 0, 1000) > 1


class Client:
    """A connection: what it has sent and nobody has read, and what was read of it."""

    def __init__(self) -> None:
        self.unread = 0.0
        self.free = True
        self.waits = 0  # read behind the entry under way: the next entry


class Workers:
    """A cluster with one interface server.

    Args:
        limit_s: that an entry may wait.
        clients: connections.
        per_s: messages that workers handle in a second.
        load: messages that clients send in a second, in these.
        handler_s: how long a handler takes beside others (an asynchronous one).
    """

    STEP_S = TURN_S / 5

    def __init__(
        self, limit_s: float, clients: int, per_s: float, load: float = 2.0, handler_s: float = 0.0
    ) -> None:
        self.admission = Admission(limit_s)
        self.clients = [Client() for _ in range(clients)]
        self.queue: deque[tuple[float, int, Client]] = deque()  # when an entry came, its messages
        self.handled: deque[tuple[float, int, Client]] = deque()  # when it is released
        self.queueing: deque[Client] = deque()
        self.received = 0
        self.released = 0
        self.idle_s = 0.0
        self.per_s = per_s
        self.load = load
        self.handler_s = handler_s
        self._credit = 0.0
        self._step = 0

    @property
    def now_s(self) -> float:
        return self._step * self.STEP_S

    def run(self, seconds: float) -> float:
        """Goes on for so long; gives the longest wait of an entry that a worker took meanwhile."""
        longest_s = 0.0
        sent = self.per_s * self.load * self.STEP_S / len(self.clients)
        for _ in range(round(seconds / self.STEP_S)):
            self._step += 1
            for client in self.clients:
                client.unread += sent
                if client.free:
                    self._read(client)
            longest_s = max(longest_s, self._work())
            if self._step % 5 == 0:
                self._give()
        return longest_s

    def _read(self, client: Client) -> None:
        count = min(int(client.unread), 33)
        if not count:
            return
        client.unread -= count
        self.received += count
        client.waits = count - 1
        client.free = not self.admission.busy
        self.queue.append((self.now_s, 1, client))

    def _work(self) -> float:
        longest_s = 0.0
        self._credit = min(self._credit, 0.0) + self.per_s * self.STEP_S
        while self._credit > 0 and self.queue:
            came_s, count, client = self.queue.popleft()
            longest_s = max(longest_s, self.now_s - came_s)
            self._credit -= count
            self.handled.append((self.now_s + self.handler_s, count, client))
        self.idle_s += (self._credit > 0) * self.STEP_S
        while self.handled and self.handled[0][0] <= self.now_s:
            _, count, client = self.handled.popleft()
            self.released += count
            if client.waits:
                self.queue.append((self.now_s, client.waits, client))
                client.waits = 0
            elif not client.free:
                self.queueing.append(client)
        return longest_s

    def _give(self) -> None:
        if self._step % round(LOOK_S / self.STEP_S) == 0:
            self.admission.look({RECEIVE: self.now_s - self.queue[0][0] if self.queue else 0.0})
        under_way = self.received - self.released if self.admission.busy else None
        for _ in range(self.admission.turns(self.received, under_way, len(self.queueing))):
            client = self.queueing.popleft()
            client.free = True
            self._read(client)


@pytest.mark.parametrize("handler_s", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("clients", [200, 1000])
@pytest.mark.parametrize("per_s", [50.0, 400.0])
def test_with_twice_the_load_an_entry_waits_little_longer_than_the_limit_at_worst(
    clients: int, per_s: float, handler_s: float
) -> None:
    workers = Workers(1.0, clients, per_s, handler_s=handler_s)
    # The first wave is there before anybody knows: what each connection has sent until then.
    workers.run(20 + 2 * clients / per_s)
    workers.idle_s = 0.0

    longest_s = workers.run(60)

    assert longest_s <= 1.75
    assert workers.admission.busy
    # Workers have something to do nearly all the while; less where handlers take longer than an entry may wait.
    assert workers.idle_s <= 60 * (0.15 if handler_s < 1.0 else 0.35)


def test_more_workers_are_made_use_of_and_end_the_overload() -> None:
    workers = Workers(1.0, 300, 100.0)
    workers.run(20)
    assert workers.admission.busy
    workers.per_s, workers.load = 5000.0, 0.04

    workers.run(20)

    assert not workers.admission.busy
    assert sum(client.unread for client in workers.clients) < 300


@pytest.mark.parametrize("per_s", [20.0, 400.0])
def test_clients_that_have_fallen_silent_hold_nobody_up(per_s: float) -> None:
    workers = Workers(1.0, 300, per_s)
    workers.run(20 + 300 / per_s)
    assert workers.admission.busy
    workers.load = 0.0
    for client in workers.clients:
        client.unread = 0.0

    workers.run(6)

    assert not workers.admission.busy
    assert not workers.queueing


def test_a_handler_that_takes_for_ever_stops_no_turns() -> None:
    admission = Admission(1.0)
    admission.look({RECEIVE: 5.0})
    admission.turns(0, 1, 100)  # some are left, so it stays busy
    admission.look({RECEIVE: 0.0})
    assert admission.busy

    assert sum(admission.turns(0, 1, 100) for _ in range(40)) >= 4
