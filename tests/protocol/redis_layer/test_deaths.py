"""Leases that end: who is declared dead, and what is made of what they held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty, NotingInterface, NotingWorker
from tests.support.waiting import until
from trunkline.protocol import codec
from trunkline.protocol.messages import (
    ChannelSend,
    Delivery,
    Effect,
    Entry,
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
    REQUEST,
    ChannelName,
    ConnectionId,
    reply_name,
)
from trunkline.protocol.redis_layer import RedisOperatorLayer, lease_thread

C = ConnectionId("c")


def event(interface: NotingInterface, channel: ChannelName) -> bytes:
    """An encoded entry of a connection of this interface."""
    return codec.encode_entry(
        Entry(channel, reply_name(interface.id, C), "/", 0, ["x" if channel == RECEIVE else {"code": 1000}])
    )


def kill(worker: NotingWorker) -> None:
    """Lets a worker fall silent, as SIGKILL would."""
    worker.redis_layer._lease.stop()


async def silence(interface: NotingInterface) -> None:
    """Lets an interface server fall silent, as SIGKILL would."""
    await interface.layer.close()


async def test_entries_of_a_dead_worker_go_to_a_living_one_and_its_late_commit_is_void(
    faulty: Faulty,
) -> None:
    interface = await faulty.interface()
    dead = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"), body("1"))
    held = await dead.take(2)
    living = await faulty.worker(RECEIVE)

    kill(dead)
    living.space = 1

    taken = await living.take(2, 10)
    assert sorted(one.body for one in taken) == [body("0"), body("1")]
    assert {one.attempt for one in taken} == {2}
    for one in taken:
        assert await living.finish(one, interface.post("c", "by the living")) == 1
    assert await dead.commit(*_outcomes(held, interface.post("c", "too late"))) == 0
    assert await interface.receive(2) == ["by the living"] * 2


def _outcomes(deliveries: list[Delivery], effect: Effect) -> list[Outcome]:
    return [Outcome(one, [effect]) for one in deliveries]


def _seen_by_the_reaper(faulty: Faulty, heartbeats: int) -> Callable[[], bool]:
    """Holds when the reaper has looked so often: twice a worker's lease and the reaper's patience."""
    looks: set[object] = set()

    def condition() -> bool:
        looks.add(faulty.client.get(faulty.keys.base + "watched"))
        return len(looks) > heartbeats

    return condition


async def test_entries_of_a_living_worker_are_never_taken_however_slow_it_is(faulty: Faulty) -> None:
    interface = await faulty.interface()
    slow = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"))
    delivery = await slow.take_one()
    other = await faulty.worker(RECEIVE)
    other.layer.read(1)

    await until(_seen_by_the_reaper(faulty, heartbeats=8), 10)

    assert other.inbox == []
    assert await slow.finish(delivery) == 1


async def test_every_death_is_counted_on_the_entry(faulty: Faulty) -> None:
    interface = await faulty.interface()
    interface.publish(RECEIVE, body("killer"))
    attempts = []
    for _ in range(3):
        worker = await faulty.worker(RECEIVE)
        attempts.append((await worker.take_one(10)).attempt)
        kill(worker)

    survivor = await faulty.worker(RECEIVE)

    assert attempts == [1, 2, 3]
    assert (await survivor.take_one(10)).attempt == 4


async def test_a_dead_consumer_is_forgotten_when_nothing_is_left_with_it(faulty: Faulty) -> None:
    interface = await faulty.interface()
    dead = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"))
    await dead.take_one()
    living = await faulty.worker(RECEIVE)
    kill(dead)
    delivery = await living.take_one(10)
    await living.finish(delivery)

    def consumers() -> set[bytes]:
        found = faulty.client.xinfo_consumers(faulty.keys.stream(RECEIVE), faulty.keys.consumer_group)
        return {one["name"] for one in found}

    await until(lambda: consumers() == {living.id.encode()})
    assert not faulty.client.exists(faulty.keys.dead_workers)
    assert not faulty.client.hexists(faulty.keys.info(), dead.id)


async def test_a_dead_interfaces_connections_get_one_disconnect_each_and_nothing_of_it_is_left(
    faulty: Faulty,
) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(CONNECT, DISCONNECT)
    names = [ConnectionId(f"c{number}") for number in range(450)]  # more than one step of the reaper
    await worker.apply(
        *(Register(interface.id, name, body(name)) for name in names),
        interface.add("room", "c1"),
        interface.add("hall", "c2"),
    )

    await silence(interface)

    disconnects = await worker.take(450, 15)
    assert sorted(one.body for one in disconnects) == sorted(body(name) for name in names)
    for one, name in zip(disconnects, names, strict=True):
        await worker.finish(one, Unregister(interface.id, name), Post(interface.id, b""))
    await until(lambda: not _traces(faulty, interface))
    assert not faulty.client.exists(faulty.keys.group("room"), faulty.keys.group("hall"))
    assert worker.inbox == []


def _traces(faulty: Faulty, interface: NotingInterface) -> list[object]:
    found = (key for key in faulty.client.scan_iter(faulty.keys.base + "*"))
    keys: list[object] = [key for key in found if interface.id.encode() in bytes(key)]
    hashes = [faulty.keys.info(), faulty.keys.published()]
    return keys + [name for name in hashes if faulty.client.hexists(name, interface.id)]


async def test_a_connect_that_commits_late_still_gets_its_disconnect(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(CONNECT, DISCONNECT)
    interface.publish(CONNECT, event(interface, CONNECT))
    connect = await worker.take_one()

    await silence(interface)
    await until(lambda: faulty.client.exists(f"{faulty.keys.base}barrier:{interface.id}"), 10)
    await until(_seen_by_the_reaper(faulty, heartbeats=3), 10)
    assert faulty.client.exists(
        f"{faulty.keys.base}barrier:{interface.id}"
    )  # it holds: the connect is pending
    await worker.finish(
        connect, Register(interface.id, C, body("gone")), SessionWrite(interface.id, C, b"\x01\x80")
    )

    assert (await worker.take_one(10)).body == body("gone")
    assert faulty.client.ttl(faulty.keys.session(C)) == -1


async def test_what_others_have_on_the_way_does_not_delay_the_disconnects_of_the_dead(faulty: Faulty) -> None:
    interface, other = await faulty.interface(), await faulty.interface()
    worker = await faulty.worker(CONNECT, RECEIVE, DISCONNECT)
    await worker.apply(Register(interface.id, C, body("gone")))
    # One that a slow handler has, one that nobody reads; one whose client talks of the dead; a request of the dead.
    mentions = codec.encode_entry(
        Entry(RECEIVE, reply_name(other.id, C), "/", 1, [f"reply.{interface.id}!c"])
    )
    other.publish(RECEIVE, event(other, RECEIVE), mentions)
    held = await worker.take(2)
    other.publish(CONNECT, event(other, CONNECT))
    interface.publish(REQUEST, event(interface, REQUEST))
    await until(lambda: faulty.client.xlen(faulty.keys.stream(REQUEST)) == 1)
    worker.layer.stop_reading()

    await silence(interface)

    await until(lambda: faulty.bodies(DISCONNECT) == [body("gone")], 10)
    assert len(faulty.bodies(RECEIVE)) == len(held)
    await until(lambda: not faulty.client.exists(faulty.keys.reaping))


async def test_a_burial_looks_past_any_number_of_entries_of_others(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_thread, "STEP_LOOKS", 30)
    interface, other = await faulty.interface(), await faulty.interface()
    worker = await faulty.worker(DISCONNECT)  # and so nobody reads what follows: its stream has no group
    await worker.apply(Register(interface.id, C, body("gone")))
    own = event(interface, RECEIVE)
    other.publish(RECEIVE, *([event(other, RECEIVE)] * 100))
    await until(lambda: len(faulty.bodies(RECEIVE)) == 100)
    interface.publish(RECEIVE, own)
    other.publish(RECEIVE, *([event(other, RECEIVE)] * 50))
    await until(lambda: len(faulty.bodies(RECEIVE)) == 151)

    await silence(interface)
    barrier = f"{faulty.keys.base}barrier:{interface.id}"
    found: Any = faulty.client.xrange(faulty.keys.stream(RECEIVE))
    (own_id,) = [key for key, fields in found if fields[b"b"] == own]
    await until(lambda: faulty.client.hget(barrier, f"{RECEIVE}!from") == own_id, 10)
    assert faulty.bodies(DISCONNECT) == []

    reader = await faulty.worker(RECEIVE)
    await reader.take(100)
    mine = await reader.take_one()
    assert mine.body == own
    await reader.finish(mine)

    assert (await worker.take_one(10)).body == body("gone")


async def test_an_entry_acknowledged_by_hand_holds_no_burial_up(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE, DISCONNECT)
    await worker.apply(Register(interface.id, C, body("gone")))
    interface.publish(RECEIVE, event(interface, RECEIVE))
    delivery = await worker.take_one()
    faulty.client.xack(faulty.keys.stream(RECEIVE), faulty.keys.consumer_group, delivery.id)

    await silence(interface)

    assert (await worker.take_one(10)).body == body("gone")


async def test_a_group_add_for_a_dead_interface_leaves_no_trace(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    await silence(interface)
    await until(lambda: not faulty.client.exists(faulty.keys.mailbox(interface.id)), 10)

    await worker.apply(interface.add("room", "c"), interface.post("c", "nobody"))

    assert not faulty.client.exists(faulty.keys.group("room"), faulty.keys.mailbox(interface.id))


async def test_a_session_without_a_registered_connection_expires(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)

    await worker.apply(SessionWrite(interface.id, C, b"\x01\x80"))

    assert 0 < faulty.client.ttl(faulty.keys.session(C)) <= 24 * 3600


async def test_a_message_for_a_full_channel_becomes_a_dead_letter(faulty: Faulty) -> None:
    faulty.settings = faulty.settings.model_copy(update={"capacity": 1})
    worker = await faulty.worker(RECEIVE)
    jobs = ChannelName("jobs")
    await worker.apply(ChannelSend(jobs, body("0")), ChannelSend(jobs, body("1")))

    operator = RedisOperatorLayer(faulty.settings)
    (letter,) = await operator.dead_letters()
    await operator.close()

    assert (letter.reason, letter.channel, letter.body) == ("channel_full", "jobs", body("1"))
    assert codec.decode_entry(jobs, letter.body).events == [{"text": "1"}]
