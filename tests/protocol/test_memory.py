"""What the in-memory layer promises beyond the contract: its bounds, its counters, and that it reports late."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.protocol.layer_harness import Cluster, Interface, Worker, body, lease_info
from tests.support.waiting import until
from trunkline.protocol import codec, memory
from trunkline.protocol.errors import LayerClosed, LayerError
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.memory.dead_letters import DeadLetters, record
from trunkline.protocol.memory.groups import Groups
from trunkline.protocol.memory.mailbox import Mailbox
from trunkline.protocol.memory.sessions import ORPHAN_TTL_S, Sessions
from trunkline.protocol.memory.streams import Stream
from trunkline.protocol.messages import ChannelSend, DeadLetter, Post, Register, SessionWrite
from trunkline.protocol.names import DISCONNECT, ChannelName, ConnectionId, GroupName, InterfaceId, WorkerId

JOBS = ChannelName("jobs")
ROOM, HALL = GroupName("room"), GroupName("hall")
C, D = ConnectionId("c"), ConnectionId("d")
I1, I2 = InterfaceId("i1"), InterfaceId("i2")
W1, W2 = WorkerId("w1"), WorkerId("w2")
LATE_S = 1000.0 + ORPHAN_TTL_S


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bus(clock: Clock) -> MemoryBus:
    return MemoryBus(capacity=2, dead_capacity=3, clock=clock)


@pytest.fixture
async def cluster(bus: MemoryBus) -> AsyncIterator[Cluster]:
    cluster = Cluster(bus)
    yield cluster
    await cluster.close()


async def next_iteration() -> None:
    """All that was scheduled up to now has run."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_soon(passed.set)
    await passed.wait()


def test_the_package_offers_what_it_says() -> None:
    assert all(hasattr(memory, name) for name in memory.__all__)


# ---- streams ----


def test_an_entry_tells_how_long_it_waited() -> None:
    stream = Stream(JOBS, 2)
    stream.add("1-0", b"a", 10.0)
    assert stream.stats(11.5).oldest_s == 1.5

    (delivery,) = stream.take(5, W1, 10.25)

    assert delivery.queued_ms == 250.0


def test_ages_are_never_negative() -> None:
    stream = Stream(JOBS, 2)
    stream.add("1-0", b"a", 10.0)

    assert stream.stats(9.0).oldest_s == 0.0
    assert stream.take(1, W1, 9.0)[0].queued_ms == 0.0


def test_a_late_commit_takes_an_entry_away_that_waits_for_another_worker() -> None:
    stream = Stream(JOBS, 2)
    stream.add("1-0", b"a", 0.0)
    stream.add("2-0", b"b", 0.0)
    stream.take(2, W1, 0.0)
    stream.hand_on(["1-0", "2-0"], W1, failed=True)

    assert stream.acknowledge("1-0") is not None

    assert [(d.id, d.attempt) for d in stream.take(5, W2, 0.0)] == [("2-0", 2)]


class StreamMachine(RuleBasedStateMachine):
    """Whatever adds, takes, commits and hands on: an entry waits, or one worker holds it, until one commit counts."""

    workers = (WorkerId("w0"), W1, W2)

    def __init__(self) -> None:
        super().__init__()
        self.stream = Stream(JOBS, 1000)
        self.added = 0
        self.waiting: list[str] = []
        self.held: dict[str, WorkerId] = {}
        self.attempts: dict[str, int] = {}
        self.committed: set[str] = set()

    @rule()
    def add(self) -> None:
        self.added += 1
        entry_id = f"{self.added}-0"
        self.stream.add(entry_id, entry_id.encode(), 0.0)
        self.waiting.append(entry_id)
        self.attempts[entry_id] = 1

    @rule(worker=st.sampled_from(workers), count=st.integers(1, 5))
    def take(self, worker: WorkerId, count: int) -> None:
        taken = self.stream.take(count, worker, 0.0)
        assert [delivery.id for delivery in taken] == self.waiting[:count]
        for delivery in taken:
            assert delivery.attempt == self.attempts[delivery.id]
            self.held[delivery.id] = worker
        self.waiting = self.waiting[count:]

    @precondition(lambda self: self.attempts)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        entry_id = data.draw(st.sampled_from(sorted(self.attempts)))
        counted = self.stream.acknowledge(entry_id) is not None
        assert counted == (entry_id not in self.committed)
        self.committed.add(entry_id)
        self.held.pop(entry_id, None)
        self.waiting = [waiting for waiting in self.waiting if waiting != entry_id]

    @precondition(lambda self: self.attempts)
    @rule(worker=st.sampled_from(workers), failed=st.booleans(), data=st.data())
    def hand_on(self, worker: WorkerId, failed: bool, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.attempts)), unique=True))
        self.stream.hand_on(ids, worker, failed)
        moved = [entry_id for entry_id in ids if self.held.get(entry_id) == worker]
        for entry_id in moved:
            del self.held[entry_id]
            self.attempts[entry_id] += int(failed)
        self.waiting = moved + self.waiting

    @invariant()
    def nothing_is_lost_and_nothing_is_in_two_places(self) -> None:
        stats = self.stream.stats(0.0)
        assert (stats.length, stats.pending) == (self.added - len(self.committed), len(self.held))
        for worker in self.workers:
            assert set(self.stream.held(worker)) == {i for i, w in self.held.items() if w == worker}


TestStreamMachine = StreamMachine.TestCase
TestStreamMachine.settings = settings(max_examples=30, stateful_step_count=30)


# ---- sessions ----


def test_a_session_nobody_will_end_ends_after_a_day() -> None:
    sessions = Sessions()
    sessions.write(C, b"x", registered=False, now_s=1000.0)

    assert sessions.read(C, LATE_S - 1) == b"x"
    assert sessions.read(C, LATE_S) == b""
    assert len(sessions) == 0


def test_expired_sessions_go_when_others_are_written() -> None:
    sessions = Sessions()
    sessions.write(C, b"x", registered=False, now_s=1000.0)

    sessions.write(D, b"y", registered=False, now_s=LATE_S)

    assert len(sessions) == 1


def test_an_empty_session_takes_no_room() -> None:
    sessions = Sessions()
    sessions.write(C, b"x", registered=True, now_s=1000.0)

    sessions.write(C, b"", registered=True, now_s=1000.0)
    sessions.write(D, b"", registered=False, now_s=1000.0)

    assert len(sessions) == 0


def test_every_write_renews_the_day() -> None:
    sessions = Sessions()
    sessions.write(C, b"x", registered=False, now_s=1000.0)
    sessions.write(D, b"y", registered=False, now_s=1001.0)
    sessions.write(C, b"z", registered=False, now_s=1002.0)

    assert (sessions.read(D, LATE_S + 1), sessions.read(C, LATE_S + 1)) == (b"", b"z")
    assert sessions.read(C, LATE_S + 2) == b""


def test_the_session_of_a_registered_connection_stays() -> None:
    sessions = Sessions()
    sessions.write(C, b"x", registered=True, now_s=1000.0)
    sessions.write(D, b"y", registered=False, now_s=1000.0)
    sessions.keep(D)

    assert (sessions.read(C, 10 * LATE_S), sessions.read(D, 10 * LATE_S)) == (b"x", b"y")


def test_a_connection_without_a_session_leaves_nothing_to_expire() -> None:
    sessions = Sessions()
    sessions.orphan(C, 1000.0)
    sessions.write(C, b"x", registered=True, now_s=1000.0)

    assert sessions.read(C, LATE_S) == b"x"


async def test_a_session_left_by_a_dead_interface_ends_after_a_day(
    bus: MemoryBus, cluster: Cluster, clock: Clock
) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(DISCONNECT)
    await worker.apply(Register(interface.id, C, b"bye"), SessionWrite(interface.id, C, b"x"))
    clock.now_s = LATE_S
    assert await worker.sessions("c") == [b"x"]

    await interface.layer.close()
    assert (await worker.take_one()).body == b"bye"  # Nobody commits it.

    clock.now_s += ORPHAN_TTL_S - 1
    assert await worker.sessions("c") == [b"x"]
    clock.now_s += 1
    assert await worker.sessions("c") == [b""]
    assert len(bus.sessions) == 0


# ---- groups ----


def test_a_group_keeps_its_other_interfaces_when_one_leaves() -> None:
    groups = Groups()
    groups.add(ROOM, I1, "1-0")
    groups.add(ROOM, I2, "2-0")
    groups.add(HALL, I1, "3-0")

    assert groups.leave(ROOM, I1, "1-0") is True
    assert (groups.interfaces(ROOM), groups.interfaces(HALL)) == ([I2], [I1])
    assert groups.leave(ROOM, I1, "1-0") is False
    assert groups.leave(HALL, I1, "1-0") is False

    groups.forget(I1)
    groups.forget(I1)
    assert (groups.interfaces(ROOM), groups.interfaces(HALL)) == ([I2], [])


async def test_a_retired_interface_leaves_no_trace_in_its_groups(bus: MemoryBus, cluster: Cluster) -> None:
    gone, stays = await cluster.interface(), await cluster.interface()
    worker = await cluster.worker(JOBS)
    await worker.apply(gone.add(ROOM, "c"), gone.add(HALL, "c"), stays.add(ROOM, "d"))

    await gone.layer.retire()

    assert (bus.groups.interfaces(ROOM), bus.groups.interfaces(HALL)) == ([stays.id], [])


# ---- mailboxes ----


def test_a_mailbox_drops_and_counts_what_is_no_operation() -> None:
    received: list[Any] = []
    scheduled: list[Any] = []
    drops: Counter[str] = Counter()
    mailbox = Mailbox(lambda operations, token: received.append((operations, token)), scheduled.append, drops)

    mailbox.post("1-0", [b"\xc1"])
    mailbox.post("2-0", [codec.encode_group_discard(ROOM, C)])
    assert len(mailbox) == 2
    for deliver in scheduled:
        deliver()

    assert received == [([[codec.GROUP_DISCARD, ROOM, C]], "2-0")]
    assert drops == {"mailbox_garbage": 1}
    assert len(mailbox) == 0


async def test_an_interface_that_has_closed_hears_nothing_more(bus: MemoryBus, cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    await worker.apply()
    interface.publish(JOBS, body("1"), body("2"), body("3"))
    worker.layer.apply([interface.post("c", "too late")], lambda: None)
    assert bus.stats().mailbox_lengths == {interface.id: 1}

    await interface.layer.close()
    await next_iteration()

    assert (interface.mail, interface.was_refused) == ([], [])


async def test_what_a_closed_interface_publishes_is_counted(bus: MemoryBus, cluster: Cluster) -> None:
    interface = await cluster.interface()
    interface.publish(JOBS, body("1"))
    await interface.layer.close()

    assert interface.publish(JOBS, body("2"), body("3")) == 2

    assert bus.drops == {"publish_while_closed": 2}
    assert bus.stats().channels[0].length == 1


async def test_a_side_that_was_never_opened_may_be_closed(bus: MemoryBus) -> None:
    await bus.interface().close()
    await bus.worker().close()


# ---- ids ----


async def test_an_interface_id_is_not_taken_twice(bus: MemoryBus, cluster: Cluster) -> None:
    interface = await cluster.interface()
    second = Interface(bus.interface())

    with pytest.raises(LayerError, match=interface.id):
        await second.layer.open(lease_info(interface.id, "interface"), second)

    await second.layer.close()
    assert [info.id for info in bus.stats().interfaces] == [interface.id]


async def test_a_worker_id_is_not_taken_twice(bus: MemoryBus, cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)
    second = Worker(bus.worker())

    with pytest.raises(LayerError, match=worker.id):
        await second.layer.open(lease_info(worker.id, "worker"), [JOBS], second)

    await second.layer.close()
    assert [info.id for info in bus.stats().workers] == [worker.id]


# ---- workers ----


async def test_waiting_workers_take_turns(cluster: Cluster) -> None:
    interface = await cluster.interface()
    workers = [await cluster.worker(JOBS) for _ in range(3)]
    served: list[int] = []
    for worker in workers:
        worker.layer.read(1)

    for turn in range(6):
        interface.publish(JOBS, body(str(turn)))
        await until(lambda: any(worker.inbox for worker in workers))
        (index,) = [index for index, worker in enumerate(workers) if worker.inbox]
        served.append(index)
        await workers[index].finish(workers[index].inbox.pop())
        workers[index].layer.read(1)

    assert served == [0, 1, 2, 0, 1, 2]


async def test_a_read_takes_up_to_its_count_of_each_channel(cluster: Cluster) -> None:
    interface, other = await cluster.interface(), ChannelName("other")
    worker = await cluster.worker(JOBS, other)
    interface.publish(JOBS, body("1"), body("2"))
    interface.publish(other, body("3"), body("4"))

    worker.layer.read(1)
    await until(lambda: worker.inbox)

    assert [delivery.body for delivery in worker.inbox] == [body("1"), body("3")]


async def test_a_worker_that_ends_while_entries_are_on_their_way_leaves_them(cluster: Cluster) -> None:
    interface, ending, other = (
        await cluster.interface(),
        await cluster.worker(JOBS),
        await cluster.worker(JOBS),
    )
    ending.layer.read(1)
    interface.publish(JOBS, body("1"))

    await ending.layer.close()

    delivery = await other.take_one()
    assert (delivery.body, delivery.attempt, ending.inbox) == (body("1"), 1, [])


async def test_a_worker_that_has_ended_is_told_so(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("1"))
    delivery = await worker.take_one()
    await worker.layer.close()

    with pytest.raises(LayerClosed):
        worker.layer.read(1)
    with pytest.raises(LayerClosed):
        worker.layer.commit([], lambda count: None)
    with pytest.raises(LayerClosed):
        worker.layer.apply([], lambda: None)
    with pytest.raises(LayerClosed):
        worker.layer.sessions([], lambda values: None)
    await worker.give_back(delivery)  # It has handed on all it held.
    await next_iteration()


async def test_late_commits_and_applies_are_counted(bus: MemoryBus, cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("1"))
    delivery = await worker.take_one()
    await worker.finish(delivery)

    await worker.finish(delivery)
    await worker.apply(interface.post("c", "late"), within=delivery)
    await worker.apply(
        Post(I1, b""), interface.add(ROOM, "c")._replace(interface=I1), Register(I1, C, b"bye"), within=None
    )

    assert bus.drops == {
        "late_commit": 1,
        "late_apply": 1,
        "post_to_gone_interface": 1,
        "group_add_of_gone_interface": 1,
        "register_at_gone_interface": 1,
    }


# ---- delayed sends ----


async def test_a_delayed_send_is_not_sent_before_its_time(cluster: Cluster, clock: Clock) -> None:
    worker = await cluster.worker(JOBS)
    await worker.apply(ChannelSend(JOBS, body("1"), 1))
    loop = asyncio.get_running_loop()
    timer_s = loop.time() + 0.01
    await until(lambda: loop.time() > timer_s)  # The timer fires meanwhile, but the bus' clock stands.
    worker.layer.read(1)
    await next_iteration()
    assert worker.inbox == []

    clock.now_s += 1

    assert (await worker.take_one()).body == body("1")


async def test_no_more_than_its_capacity_is_delayed(bus: MemoryBus, cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)

    await worker.apply(*(ChannelSend(JOBS, body(str(number)), 60_000) for number in range(3)))

    (letter,) = await cluster.operator.dead_letters()
    assert (letter.reason, letter.body, letter.worker) == ("channel_full", body("2"), worker.id)


async def test_a_delayed_send_whose_channel_is_full_when_it_is_due_becomes_a_dead_letter(
    cluster: Cluster, clock: Clock
) -> None:
    worker = await cluster.worker(JOBS)
    await worker.apply(ChannelSend(JOBS, body("late"), 1))
    await worker.apply(ChannelSend(JOBS, body("1")), ChannelSend(JOBS, body("2")))

    clock.now_s += 1

    (letter,) = await until(cluster.operator.dead_letters)
    assert (letter.reason, letter.channel, letter.body) == ("channel_full", JOBS, body("late"))


# ---- dead letters ----


def test_the_oldest_dead_letter_makes_room_and_is_counted() -> None:
    drops: Counter[str] = Counter()
    letters = DeadLetters(2, drops)
    for number in range(3):
        letters.keep(record("error", JOBS, str(number).encode(), ""))

    assert [letter.body for letter in letters.page("", 10)] == [b"1", b"2"]
    assert (len(letters), drops) == (2, {"dead_letter_overflow": 1})


def test_paging_goes_on_behind_a_letter_that_was_dropped_meanwhile() -> None:
    letters = DeadLetters(10, Counter())
    for number in range(3):
        letters.keep(record("error", JOBS, str(number).encode(), ""))
    first, second = letters.page("", 2)
    letters.pop(second.id)

    assert [letter.body for letter in letters.page(second.id, 10)] == [b"2"]
    assert letters.pop(first.id) == first


def test_paging_behind_what_is_no_id_is_refused() -> None:
    with pytest.raises(LayerError, match="'yesterday'"):
        DeadLetters(10, Counter()).page("yesterday", 10)


async def test_the_bus_bounds_its_dead_letters(bus: MemoryBus, cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)

    await worker.apply(*(DeadLetter(b"\xc1 %d" % number) for number in range(5)))

    assert [letter.body for letter in await cluster.operator.dead_letters()] == [
        b"\xc1 2",
        b"\xc1 3",
        b"\xc1 4",
    ]
    assert bus.drops == {"dead_letter_overflow": 2}


# ---- event loops ----


def test_a_bus_may_be_used_by_one_event_loop_after_another() -> None:
    bus = MemoryBus()

    async def send(text: str, delay_ms: int) -> bytes:
        cluster = Cluster(bus)
        worker = await cluster.worker(JOBS)
        await worker.apply(ChannelSend(JOBS, body(text), delay_ms), ChannelSend(JOBS, body("now")))
        delivery = await worker.take_one()
        await worker.finish(delivery)
        await cluster.close()
        return delivery.body

    assert asyncio.run(send("much later", 60_000)) == body("now")
    assert asyncio.run(send("later", 60_000)) == body("now")


async def test_an_interface_that_is_closed_enters_no_group() -> None:
    bus = MemoryBus()
    layer = bus.interface()
    told: list[str] = []

    layer.join_group(GroupName("room"), "0-1", lambda: told.append("entered"))
    await asyncio.sleep(0)

    assert bus.groups.interfaces(GroupName("room")) == told == []
