"""The contract of the channel layer. Every layer passes it; it knows nothing of what is behind `layer.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from tests.protocol.layer_harness import Cluster, Interface, Sides, body
from tests.support.waiting import until
from trunkline.protocol import codec
from trunkline.protocol.errors import CodecError
from trunkline.protocol.layer import InterfaceLayer, OperatorLayer, Publication, WorkerLayer
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.messages import (
    ChannelSend,
    DeadLetter,
    DeadLetterRecord,
    Entry,
    GroupSend,
    Outcome,
    Post,
    Register,
    SessionWrite,
    Unregister,
)
from trunkline.protocol.names import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    ChannelName,
    ConnectionId,
    GroupName,
    InterfaceId,
    reply_name,
)
from trunkline.protocol.redis_layer import RedisInterfaceLayer, RedisOperatorLayer, RedisWorkerLayer
from trunkline.protocol.settings import LayerSettings

JOBS = ChannelName("jobs")
OTHER = ChannelName("other")
ROOM = GroupName("room")
GARBAGE = [b"", b"\x00", b"\xc1", b"\x01\xc1 not msgpack", b"\xff" * 5000, b"a b\r\nc\x00d \n"]


@dataclass(frozen=True)
class RedisSides:
    """The Redis layer's sides on one prefix."""

    settings: LayerSettings

    def interface(self) -> InterfaceLayer:
        return RedisInterfaceLayer(self.settings)

    def worker(self) -> WorkerLayer:
        return RedisWorkerLayer(self.settings)

    def operator(self) -> OperatorLayer:
        return RedisOperatorLayer(self.settings)


MakeSides = Callable[[int], Sides]


@pytest.fixture(params=["memory", "redis"])
def make_sides(request: pytest.FixtureRequest) -> MakeSides:
    """Makes the sides of the layer under test, with streams of this capacity."""
    if request.param == "memory":
        return MemoryBus
    settings: LayerSettings = request.getfixturevalue("layer_settings")
    return lambda capacity: RedisSides(settings.model_copy(update={"capacity": capacity}))


@pytest.fixture
async def cluster(make_sides: MakeSides) -> AsyncIterator[Cluster]:
    """A cluster with room for everything."""
    cluster = Cluster(make_sides(100_000))
    yield cluster
    await cluster.close()


@pytest.fixture
async def cluster_of_two(make_sides: MakeSides) -> AsyncIterator[Cluster]:
    """A cluster whose channels hold two entries each."""
    cluster = Cluster(make_sides(2))
    yield cluster
    await cluster.close()


def session_write(interface: InterfaceId, connection: str, value: bytes) -> SessionWrite:
    return SessionWrite(interface, ConnectionId(connection), value)


def disconnect_of(interface: InterfaceId, connection: str) -> bytes:
    reply = reply_name(interface, ConnectionId(connection))
    return codec.encode_entry(Entry(DISCONNECT, reply, "/", 2**31 - 1, [{"code": 1006, "reason": ""}]))


def register(interface: InterfaceId, connection: str) -> Register:
    return Register(interface, ConnectionId(connection), disconnect_of(interface, connection))


def group_send(text: str) -> GroupSend:
    return GroupSend(ROOM, codec.encode_group_send(ROOM, text))


def dead(channel: ChannelName, message: bytes, reason: str = "error") -> DeadLetter:
    record = DeadLetterRecord(
        "", reason, channel, message, "route", "ValueError: no", "Traceback", 1, "w1", b"session", 1.5
    )
    return DeadLetter(codec.encode_dead_letter(record))


# ---- from an interface server to a worker and back ----


async def test_an_event_reaches_a_worker_and_its_answer_the_mailbox(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(CONNECT, RECEIVE)
    interface.publish(RECEIVE, body("hello"))

    delivery = await worker.take_one()
    assert (delivery.channel, delivery.body, delivery.attempt) == (RECEIVE, body("hello"), 1)
    assert delivery.queued_ms >= 0
    release = codec.encode_release(ConnectionId("c"), 1, ["echo", b"bytes", {"close": True}])
    assert await worker.finish(delivery, Post(interface.id, release)) == 1

    await until(lambda: interface.mail)
    ((operations, token),) = interface.mail
    assert operations == [[codec.RELEASE, "c", 1, ["echo", b"bytes", {"close": True}]]]
    assert token


async def test_batch_numbers_rise_from_one(cluster: Cluster) -> None:
    first, second = await cluster.interface(), await cluster.interface()

    assert [first.publish(JOBS, body("a"), body("b")), first.publish(JOBS, body("c"))] == [1, 2]
    assert second.publish(JOBS, body("d")) == 1


async def test_entries_of_a_channel_come_in_the_order_of_publishing(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    bodies = [body(str(number)) for number in range(30)]
    for start in range(0, 30, 10):
        interface.publish(JOBS, *bodies[start : start + 10])

    assert [delivery.body for delivery in await worker.take(30)] == bodies


async def test_entries_published_before_any_worker_came_are_not_lost(cluster: Cluster) -> None:
    interface = await cluster.interface()
    interface.publish(JOBS, body("early"))

    worker = await cluster.worker(JOBS)

    assert (await worker.take_one()).body == body("early")


async def test_a_worker_gets_only_the_channels_it_reads(cluster: Cluster) -> None:
    interface = await cluster.interface()
    jobs, other = await cluster.worker(JOBS), await cluster.worker(OTHER)
    interface.publish(JOBS, body("for jobs"))
    interface.publish(OTHER, body("for other"))

    assert (await other.take_one()).body == body("for other")
    assert (await jobs.take_one()).body == body("for jobs")


async def test_each_entry_goes_to_one_of_several_workers(cluster: Cluster) -> None:
    interface = await cluster.interface()
    workers = [await cluster.worker(JOBS) for _ in range(3)]
    bodies = [body(str(number)) for number in range(30)]
    interface.publish(JOBS, *bodies)

    deliveries = [d for _ in range(10) for worker in workers for d in await worker.take(1)]

    assert sorted(delivery.body for delivery in deliveries) == sorted(bodies)


async def test_a_worker_that_stopped_reading_leaves_entries_to_others(cluster: Cluster) -> None:
    interface = await cluster.interface()
    stopped, reading = await cluster.worker(JOBS), await cluster.worker(JOBS)
    stopped.layer.read(10)
    stopped.layer.stop_reading()
    await stopped.sessions("any")  # The layer has answered something that was asked later.

    interface.publish(JOBS, body("a"))

    assert (await reading.take_one()).body == body("a")
    assert stopped.inbox == []


async def test_a_read_may_be_taken_back_and_asked_again(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    worker.layer.stop_reading()
    worker.layer.read(1)
    worker.layer.stop_reading()
    interface.publish(JOBS, body("a"))

    assert (await worker.take_one()).body == body("a")


async def test_nothing_is_reported_from_inside_the_call(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    reported: list[str] = []
    interface.publish(JOBS, body("a"))
    delivery = await worker.take_one()

    worker.layer.sessions([ConnectionId("c")], lambda values: reported.append("sessions"))
    worker.layer.apply([interface.post("c", "sent")], lambda: reported.append("apply"))
    worker.layer.commit([Outcome(delivery, [])], lambda count: reported.append("commit"))
    assert (reported, interface.mail) == ([], [])

    await until(lambda: len(reported) == 3)
    assert reported == ["sessions", "apply", "commit"]
    await interface.receive()


async def test_bodies_that_do_not_decode_pass_as_they_are(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS, OTHER)
    interface.publish(JOBS, *GARBAGE)
    deliveries = await worker.take(len(GARBAGE))
    assert [delivery.body for delivery in deliveries] == GARBAGE

    sends = [ChannelSend(OTHER, garbage) for garbage in GARBAGE]
    assert await worker.commit(*[Outcome(d, [s]) for d, s in zip(deliveries, sends, strict=True)]) == len(
        GARBAGE
    )

    assert [delivery.body for delivery in await worker.take(len(GARBAGE))] == GARBAGE


# ---- capacity ----


async def test_a_full_channel_refuses_what_need_not_go_in(cluster_of_two: Cluster) -> None:
    interface, worker = await cluster_of_two.interface(), await cluster_of_two.worker(JOBS, OTHER)
    owner = object()
    publications = [
        Publication(JOBS, body("1"), None),
        Publication(JOBS, body("2"), None),
        Publication(JOBS, body("3"), owner),
        Publication(JOBS, body("must"), None, must=True),
        Publication(OTHER, body("elsewhere"), None),
        Publication(JOBS, body("5"), None),
    ]

    interface.layer.publish(publications)

    assert interface.was_refused == []
    await until(lambda: interface.was_refused)
    assert interface.was_refused == [publications[2], publications[5]]
    assert interface.was_refused[0].owner is owner
    taken = {delivery.body for delivery in await worker.take(4)}
    assert taken == {body("1"), body("2"), body("must"), body("elsewhere")}


async def test_a_full_channel_takes_entries_again_when_some_are_committed(cluster_of_two: Cluster) -> None:
    interface, worker = await cluster_of_two.interface(), await cluster_of_two.worker(JOBS)
    interface.publish(JOBS, body("1"), body("2"))
    first, second = await worker.take(2)
    interface.publish(JOBS, body("3"))
    await until(lambda: interface.was_refused)  # Delivered entries count until they are committed.
    await worker.finish(first)

    interface.publish(JOBS, body("4"))

    assert (await worker.take_one()).body == body("4")
    assert await worker.finish(second) == 1
    assert len(interface.was_refused) == 1


# ---- the acknowledgement decides ----


async def test_effects_are_applied_in_their_order(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS, OTHER)
    interface.publish(JOBS, body("a"))

    await worker.finish(
        await worker.take_one(),
        interface.post("c", "1"),
        session_write(interface.id, "c", b"old"),
        ChannelSend(OTHER, body("x")),
        interface.post("d", "2"),
        session_write(interface.id, "c", b"new"),
        ChannelSend(OTHER, body("y")),
        interface.post("c", "3"),
    )

    assert await interface.receive(3) == ["1", "2", "3"]
    assert await worker.sessions("c") == [b"new"]
    assert [delivery.body for delivery in await worker.take(2)] == [body("x"), body("y")]


async def test_effects_of_one_commit_on_one_mailbox_come_in_one_piece(cluster: Cluster) -> None:
    one, two, worker = await cluster.interface(), await cluster.interface(), await cluster.worker(JOBS)
    one.publish(JOBS, body("a"), body("b"))
    a, b = await worker.take(2)

    first = Outcome(a, [one.post("c", "a1"), two.post("c", "a2"), one.add(ROOM, "c")])
    assert await worker.commit(first, Outcome(b, [one.post("c", "b1"), group_send("b2")])) == 2

    assert await one.receive(3) == ["a1", "b1", "b2"]
    assert await two.receive(1) == ["a2"]
    assert (len(one.mail), len(two.mail)) == (1, 1)


async def test_a_second_commit_counts_nothing_and_changes_nothing(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("a"), body("b"))
    a, b = await worker.take(2)
    once = Outcome(a, [interface.post("c", "once"), session_write(interface.id, "c", b"once")])
    assert await worker.commit(once) == 1

    again = Outcome(a, [interface.post("c", "twice"), session_write(interface.id, "c", b"twice")])
    assert await worker.commit(again) == 0
    assert await worker.commit(again, Outcome(b, [interface.post("c", "other")]), again) == 1

    assert await interface.receive(2) == ["once", "other"]
    assert await worker.sessions("c") == [b"once"]


async def test_a_commit_from_another_thread_counts_as_any(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("a"))
    outcome = Outcome(await worker.take_one(), [interface.post("c", "once")])
    counted: list[int] = []

    await asyncio.to_thread(worker.layer.commit_now, [outcome], counted.append)

    await until(lambda: counted == [1])
    assert await interface.receive() == ["once"]
    assert await worker.commit(outcome) == 0


@pytest.mark.parametrize("quicker", ["who had it", "who has it"])
async def test_of_two_workers_with_one_entry_only_the_quicker_ones_effects_count(
    cluster: Cluster, quicker: str
) -> None:
    interface, had = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("a"), body("marker"))
    mine, marker = await had.take(2)
    had.space = 0
    has = await cluster.worker(JOBS)
    await had.give_back(mine)
    its = await has.take_one()
    assert its.body == mine.body

    order = [(had, mine), (has, its)] if quicker == "who had it" else [(has, its), (had, mine)]
    counts = [await worker.finish(d, interface.post("c", worker.id)) for worker, d in order]

    assert counts == [1, 0]
    await had.finish(marker, interface.post("c", "marker"))
    assert await interface.receive(2) == [order[0][0].id, "marker"]


async def test_a_commit_of_nothing_counts_nothing(cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)

    assert await worker.commit() == 0


async def test_what_is_sent_to_a_gone_interface_is_dropped(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    gone = InterfaceId("i0")
    interface.publish(JOBS, body("a"))
    chunk = codec.encode_group_add(ROOM, ConnectionId("c"))

    counted = await worker.finish(
        await worker.take_one(),
        Post(gone, codec.encode_send(ConnectionId("c"), -1, "lost")),
        interface.add(ROOM, "c")._replace(interface=gone, chunk=chunk),
        Register(gone, ConnectionId("c"), b"lost"),
        Unregister(gone, ConnectionId("d")),
        group_send("nobody is there"),
        interface.post("c", "kept"),
    )

    assert counted == 1
    assert await interface.receive() == ["kept"]


# ---- groups ----


async def test_who_is_added_gets_what_is_sent_later_in_the_same_handler(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("a"))

    await worker.finish(
        await worker.take_one(), group_send("before"), interface.add(ROOM, "c"), group_send("after")
    )

    await until(lambda: interface.mail)
    assert interface.operations == [[codec.GROUP_ADD, ROOM, "c"], [codec.GROUP_SEND, ROOM, "after"]]


async def test_a_group_send_reaches_each_interface_with_members_once(cluster: Cluster) -> None:
    one, two, none = await cluster.interface(), await cluster.interface(), await cluster.interface()
    worker = await cluster.worker(JOBS)
    one.publish(JOBS, body("a"), body("b"))
    a, b = await worker.take(2)
    await worker.finish(a, one.add(ROOM, "c"), one.add(ROOM, "d"), two.add(ROOM, "e"))

    markers = [interface.post("c", "marker") for interface in (one, two, none)]
    await worker.finish(b, group_send("hello"), *markers)

    assert await one.receive(2) == ["hello", "marker"]
    assert await two.receive(2) == ["hello", "marker"]
    assert await none.receive(1) == ["marker"]


async def test_an_interface_leaves_a_group_with_the_token_of_the_newest_add(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("a"))
    delivery = await worker.take_one()
    await worker.apply(interface.add(ROOM, "c"))
    await worker.apply(interface.add(ROOM, "d"))
    await until(lambda: len(interface.mail) == 2)
    (_, older), (_, newest) = interface.mail

    interface.layer.leave_group(ROOM, older)  # An add that this interface had not seen yet was on its way.
    await _settled(cluster, interface)
    await worker.apply(group_send("still here"))
    assert await interface.receive(1) == ["still here"]

    interface.layer.leave_group(ROOM, newest)
    await _settled(cluster, interface)
    await worker.finish(delivery, group_send("has left"), interface.post("c", "marker"))
    assert await interface.receive(2) == ["still here", "marker"]


async def test_an_interface_that_left_a_group_may_join_again(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    await worker.apply(interface.add(ROOM, "c"))
    await until(lambda: interface.mail)
    interface.layer.leave_group(ROOM, interface.mail[0][1])
    await _settled(cluster, interface)

    await worker.apply(interface.add(ROOM, "c"), group_send("again"))

    assert await interface.receive(1) == ["again"]


async def _settled(cluster: Cluster, *interfaces: Interface) -> None:
    """What these interface servers have asked before is done: something they publish later has arrived."""
    settling = ChannelName("settling")
    worker = await cluster.worker(settling)
    for interface in interfaces:
        interface.publish(settling, body("settled"))
    for delivery in await worker.take(len(interfaces)):
        await worker.finish(delivery)
    await worker.layer.close()


# ---- sessions ----


async def test_sessions_are_read_in_the_order_asked(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    await worker.apply(
        register(interface.id, "a"),
        session_write(interface.id, "a", b"of a"),
        session_write(interface.id, "b", b"of b"),
    )

    assert await worker.sessions("b", "none", "a", "b") == [b"of b", b"", b"of a", b"of b"]
    assert await worker.sessions() == []


async def test_an_empty_session_is_deleted(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    await worker.apply(session_write(interface.id, "a", b"x"), session_write(interface.id, "b", b"y"))

    await worker.apply(session_write(interface.id, "a", b""), session_write(interface.id, "never", b""))

    assert await worker.sessions("a", "b", "never") == [b"", b"y", b""]


async def test_unregistering_a_connection_ends_its_session(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    await worker.apply(
        *(register(interface.id, name) for name in "ab"),
        *(session_write(interface.id, name, b"x") for name in "ab"),
    )

    await worker.apply(Unregister(interface.id, ConnectionId("a")))

    assert await worker.sessions("a", "b") == [b"", b"x"]


# ---- what an interface server leaves behind ----


async def test_a_retired_interfaces_connections_are_disconnected_once_after_its_entries(
    cluster: Cluster,
) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(CONNECT, DISCONNECT)
    interface.publish(CONNECT, body("a"), body("b"), body("late"))
    a, b, late = await worker.take(3)
    await worker.commit(
        Outcome(a, [register(interface.id, "a")]),
        Outcome(b, [register(interface.id, "b"), Unregister(interface.id, ConnectionId("b"))]),
    )
    await interface.layer.retire()
    await interface.layer.close()

    # Its last connect is still being handled: had anybody looked at the registry before, "late" would be forgotten.
    await worker.finish(late, register(interface.id, "late"), session_write(interface.id, "late", b"x"))
    disconnects = await worker.take(2, within_s=15)

    assert {d.body for d in disconnects} == {disconnect_of(interface.id, name) for name in ("a", "late")}
    assert [(d.channel, d.attempt) for d in disconnects] == [(DISCONNECT, 1), (DISCONNECT, 1)]
    assert await worker.sessions("late") == [b"x"]  # Its disconnect handler wants to read it.
    for delivery, name in zip(disconnects, ("a", "late"), strict=True):
        assert await worker.finish(delivery, Unregister(interface.id, ConnectionId(name))) == 1
    assert await worker.sessions("late") == [b""]
    await _nothing_more(cluster, DISCONNECT)


async def test_a_retired_interface_gets_nothing_and_is_in_no_group(cluster: Cluster) -> None:
    gone, stays = await cluster.interface(), await cluster.interface()
    worker = await cluster.worker(JOBS, DISCONNECT)
    await worker.apply(gone.add(ROOM, "c"), stays.add(ROOM, "d"), register(gone.id, "c"))
    await until(lambda: gone.mail and stays.mail)

    await gone.layer.retire()
    await gone.layer.close()
    await worker.take_one(within_s=15)
    await worker.apply(group_send("hello"), gone.post("c", "lost"))

    assert await stays.receive(1) == ["hello"]
    assert len(gone.mail) == 1
    stats = await cluster.operator.stats()
    assert [info.id for info in stats.interfaces] == [stays.id]


async def test_an_interface_that_ends_without_retiring_is_disconnected_too(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(DISCONNECT)
    await worker.apply(register(interface.id, "c"))

    await interface.layer.close()

    assert (await worker.take_one(within_s=20)).body == disconnect_of(interface.id, "c")


async def test_an_interface_that_retires_with_nothing_left_causes_no_disconnect(cluster: Cluster) -> None:
    first, second = await cluster.interface(), await cluster.interface()
    worker = await cluster.worker(CONNECT, DISCONNECT)
    first.publish(CONNECT, body("a"))
    connect = await worker.take_one()
    await worker.finish(connect, register(first.id, "a"))
    first.publish(DISCONNECT, body("own disconnect"), must=True)
    await first.layer.retire()

    own = await worker.take_one()
    assert own.body == body("own disconnect")
    await worker.finish(own, Unregister(first.id, ConnectionId("a")))

    # The second's disconnect is the layer's, so the layer has buried what there was to bury.
    await worker.apply(register(second.id, "b"))
    await second.layer.retire()
    assert (await worker.take_one(within_s=15)).body == disconnect_of(second.id, "b")
    await _nothing_more(cluster, DISCONNECT, pending=1)


async def _nothing_more(cluster: Cluster, channel: ChannelName, pending: int = 0) -> None:
    """The channel holds no entry but those that are delivered and not committed."""
    (stats,) = [stats for stats in (await cluster.operator.stats()).channels if stats.channel == channel]
    assert (stats.length, stats.pending) == (pending, pending)


# ---- sends to channels ----


async def test_what_a_handler_sends_to_a_channel_is_delivered(cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)

    await worker.apply(ChannelSend(JOBS, body("job")))

    delivery = await worker.take_one()
    assert (delivery.channel, delivery.body, delivery.attempt) == (JOBS, body("job"), 1)
    assert await worker.finish(delivery) == 1


async def test_a_delayed_send_becomes_due(cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    binary = b"\x01 a b\n\x00c "

    await worker.apply(
        ChannelSend(JOBS, binary, 400), ChannelSend(JOBS, body("sooner"), 100), ChannelSend(JOBS, body("now"))
    )

    assert [delivery.body for delivery in await worker.take(3)] == [body("now"), body("sooner"), binary]
    assert loop.time() - start_s >= 0.39


async def test_a_send_to_a_full_channel_becomes_a_dead_letter(cluster_of_two: Cluster) -> None:
    worker = await cluster_of_two.worker(JOBS)
    await worker.apply(*(ChannelSend(JOBS, body(str(number))) for number in range(3)))

    (letter,) = await cluster_of_two.operator.dead_letters()

    assert (letter.reason, letter.channel, letter.body) == ("channel_full", JOBS, body("2"))
    assert letter.error
    assert len(await worker.take(2)) == 2
    assert await cluster_of_two.operator.redrive(letter.id)
    assert (await worker.take_one()).body == body("2")


# ---- dead letters ----


async def test_dead_letters_are_listed_oldest_first_and_page_by_page(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(JOBS), cluster.operator
    assert await operator.dead_letters() == []
    await worker.apply(*(dead(JOBS, body(str(number))) for number in range(5)))

    letters = await operator.dead_letters()

    assert [letter.body for letter in letters] == [body(str(number)) for number in range(5)]
    assert letters[0] == DeadLetterRecord(
        letters[0].id,
        "error",
        JOBS,
        body("0"),
        "route",
        "ValueError: no",
        "Traceback",
        1,
        "w1",
        b"session",
        1.5,
    )
    assert await operator.dead_letters(count=2) == letters[:2]
    assert await operator.dead_letters(after=letters[1].id, count=2) == letters[2:4]
    assert await operator.dead_letters(after=letters[4].id) == []
    assert (await operator.stats()).dead_letters == 5


async def test_a_dead_letter_is_shown_and_dropped(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(JOBS), cluster.operator
    await worker.apply(dead(JOBS, body("a")), dead(JOBS, body("b")))
    a, b = await operator.dead_letters()

    assert await operator.dead_letter(a.id) == a
    assert await operator.drop(a.id) is True

    assert await operator.drop(a.id) is False
    assert await operator.dead_letter(a.id) is None
    assert await operator.dead_letters() == [b]


async def test_a_redriven_dead_letter_is_handled_again(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(JOBS), cluster.operator
    await worker.apply(dead(JOBS, body("a")))
    (letter,) = await operator.dead_letters()

    assert await operator.redrive(letter.id) is True

    delivery = await worker.take_one()
    assert (delivery.channel, delivery.body, delivery.attempt) == (JOBS, body("a"), 1)
    assert await operator.dead_letters() == []
    assert await operator.redrive(letter.id) is False


async def test_of_two_people_who_redrive_a_dead_letter_one_succeeds(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(JOBS), cluster.operator
    await worker.apply(dead(JOBS, body("a")))
    (letter,) = await operator.dead_letters()

    results = await asyncio.gather(*(operator.redrive(letter.id) for _ in range(5)))

    assert sorted(results) == [False] * 4 + [True]
    await worker.finish(await worker.take_one())
    await _nothing_more(cluster, JOBS)


async def test_a_redriven_event_of_a_connection_is_not_its_entry_in_flight(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(RECEIVE), cluster.operator
    entry = Entry(RECEIVE, reply_name(InterfaceId("i1"), ConnectionId("c")), "/chat", 7, ["text", b"bytes"])
    await worker.apply(dead(RECEIVE, codec.encode_entry(entry)))
    (letter,) = await operator.dead_letters()

    await operator.redrive(letter.id)

    assert codec.decode_entry(RECEIVE, (await worker.take_one()).body) == entry._replace(seq=-1)


async def test_a_dead_letter_of_garbage_is_kept_and_not_redriven(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(JOBS), cluster.operator
    await worker.apply(dead(JOBS, b"\xc1", "garbage"), DeadLetter(b"\xc1 no letter at all"))
    garbage, broken = await operator.dead_letters()
    assert (garbage.reason, garbage.body) == ("garbage", b"\xc1")
    assert (broken.reason, broken.body) == ("garbage", b"\xc1 no letter at all")

    for letter in (garbage, broken):
        with pytest.raises(CodecError):
            await operator.redrive(letter.id)

    assert await operator.dead_letters() == [garbage, broken]


@pytest.mark.parametrize("letter_id", ["9999999-0", "no id", "", "-", "+"])
async def test_a_dead_letter_that_is_not_there_is_told_so(cluster: Cluster, letter_id: str) -> None:
    worker = await cluster.worker(JOBS)
    await worker.apply(dead(JOBS, body("a")))

    assert await cluster.operator.dead_letter(letter_id) is None
    assert await cluster.operator.redrive(letter_id) is False
    assert await cluster.operator.drop(letter_id) is False
    assert len(await cluster.operator.dead_letters()) == 1


# ---- statistics ----


async def test_statistics_tell_who_is_there_and_what_waits(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("1"), body("2"), body("3"))
    await worker.take(2)

    stats = await cluster.operator.stats()

    (jobs,) = [channel for channel in stats.channels if channel.channel == JOBS]
    assert jobs.length == 3
    assert jobs.pending in (2, 3)
    assert 0 <= jobs.oldest_s < 60
    assert [info.id for info in stats.interfaces] == [interface.id]
    assert [info.detail for info in stats.workers] == [f"detail of {worker.id}"]
    assert stats.mailbox_lengths == {interface.id: 0}
    assert stats.dead_letters == 0


async def test_statistics_forget_a_worker_that_ended(cluster: Cluster) -> None:
    ended, stays = await cluster.worker(JOBS), await cluster.worker(JOBS)

    await ended.layer.close()

    assert [info.id for info in (await cluster.operator.stats()).workers] == [stays.id]


# ---- handing entries on ----


async def test_an_entry_given_back_goes_to_another_worker_as_if_it_had_never_been_taken(
    cluster: Cluster,
) -> None:
    interface, first = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, *(body(str(number)) for number in range(3)))
    kept, *given = await first.take(3)
    first.space = 0

    await first.give_back(*given)

    second = await cluster.worker(JOBS)
    taken = await second.take(2)
    assert [(d.body, d.attempt) for d in taken] == [(body("1"), 1), (body("2"), 1)]
    assert await first.finish(kept) == 1
    assert await second.commit(*(Outcome(delivery, []) for delivery in taken)) == 2


async def test_giving_back_what_is_committed_brings_nothing_back(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("a"))
    delivery = await worker.take_one()
    await worker.finish(delivery)

    await worker.give_back(delivery)

    interface.publish(JOBS, body("b"))
    assert (await worker.take_one()).body == body("b")
    assert worker.inbox == []


async def test_entries_of_a_worker_that_ends_go_to_others_as_a_further_attempt(cluster: Cluster) -> None:
    interface, first = await cluster.interface(), await cluster.worker(JOBS)
    second = await cluster.worker(JOBS)
    interface.publish(JOBS, *(body(str(number)) for number in range(3)))
    done, *_ = await first.take(3)
    await first.finish(done)

    await first.layer.close()

    taken = await second.take(2, within_s=15)
    assert [(d.body, d.attempt) for d in taken] == [(body("1"), 2), (body("2"), 2)]
    assert await second.commit(*(Outcome(delivery, []) for delivery in taken)) == 2


# ---- effects that wait for no acknowledgement ----


async def test_effects_within_a_delivery_are_applied_only_while_it_is_held(cluster: Cluster) -> None:
    interface, first = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("a"), body("b"))
    a, b = await first.take(2)
    first.space = 0

    await first.apply(interface.post("c", "held"), within=a)
    await first.finish(a)
    await first.apply(interface.post("c", "committed"), within=a)
    await first.give_back(b)
    second = await cluster.worker(JOBS)
    taken = await second.take_one()
    await first.apply(interface.post("c", "taken over"), within=b)
    await second.apply(interface.post("c", "held by the other"), within=taken)

    assert await interface.receive(2) == ["held", "held by the other"]


# ---- the end ----


async def test_every_side_may_be_closed_twice(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)

    for _ in range(2):
        await interface.layer.close()
        await worker.layer.close()
        await cluster.operator.close()


async def test_an_interface_that_has_ended_may_still_be_called(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    await interface.layer.retire()
    await interface.layer.close()

    assert interface.publish(JOBS, body("late")) == 1
    interface.layer.leave_group(ROOM, "1-0")

    await worker.apply(ChannelSend(JOBS, body("marker")))
    assert (await worker.take_one()).body == body("marker")
