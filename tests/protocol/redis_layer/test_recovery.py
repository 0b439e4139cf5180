"""What becomes of events and effects when Redis, or the way to it, fails."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.protocol.layer_harness import body, lease_info
from tests.protocol.redis_layer.conftest import Faulty, NotingInterface, NotingWorker, faulty_on
from tests.support.redis_server import RedisServer
from tests.support.waiting import until
from trunkline.protocol import codec
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.layer import Holdings
from trunkline.protocol.messages import Outcome, Register
from trunkline.protocol.names import DISCONNECT, RECEIVE, ConnectionId, GroupName
from trunkline.protocol.redis_layer import RedisInterfaceLayer, RedisOperatorLayer, RedisWorkerLayer
from trunkline.protocol.redis_layer.scripts import SCRIPTS
from trunkline.protocol.redis_layer.wire import Answer
from trunkline.protocol.settings import LayerSettings

INTERFACE_LINKS = ("trunkline-interface", "trunkline-mailbox")
WORKER_LINKS = ("trunkline-worker", "trunkline-reader")


async def test_batches_on_a_cut_connection_arrive_exactly_once(faulty: Faulty) -> None:
    interface = await faulty.interface()
    sent = [body(str(number)) for number in range(300)]
    for number, one in enumerate(sent):
        interface.publish(RECEIVE, one)
        if number % 50 == 25:
            faulty.cut(INTERFACE_LINKS)
            await until(lambda: interface.told[-1:] == ["back"])

    await until(lambda: len(faulty.bodies(RECEIVE)) >= len(sent))

    assert sorted(faulty.bodies(RECEIVE)) == sorted(sent)
    assert interface.lost == []


async def test_a_batch_sent_again_gets_the_same_refusals(own_redis: RedisServer) -> None:
    async with faulty_on(own_redis, capacity=2) as faulty:
        interface = await faulty.interface()
        interface.publish(RECEIVE, body("0"), body("1"), body("2"))
        await until(lambda: interface.was_refused)
        # When Redis has taken a batch and only the answer is lost, the interface sends it again.
        interface.was_refused.clear()
        interface.publish(RECEIVE, body("3"), body("4"))
        faulty.cut(INTERFACE_LINKS)

        await until(lambda: len(interface.was_refused) == 2)

        assert [one.body for one in interface.was_refused] == [body("3"), body("4")]
        assert faulty.bodies(RECEIVE) == [body("0"), body("1")]


async def test_the_loss_of_all_data_is_seen_and_what_is_held_is_written_again(faulty: Faulty) -> None:
    interface = await faulty.interface()
    interface.held = Holdings({ConnectionId("c"): b"\x01gone"}, {GroupName("room"): "5-0"})
    interface.publish(RECEIVE, body("0"))
    interface.publish(RECEIVE, body("1"))
    await until(lambda: len(faulty.bodies(RECEIVE)) == 2)

    faulty.client.flushdb()

    await until(lambda: interface.lost)
    assert interface.lost == [(0, 2)]
    assert faulty.client.hgetall(faulty.keys.registry(interface.id)) == {b"c": b"\x01gone"}
    assert faulty.client.hgetall(faulty.keys.group("room")) == {interface.id.encode(): b"5-0"}
    assert "fenced" not in interface.told
    interface.publish(RECEIVE, body("2"))
    await until(lambda: faulty.bodies(RECEIVE) == [body("2")])


async def test_a_redis_that_fell_back_tells_which_batches_are_gone(faulty: Faulty) -> None:
    interface = await faulty.interface()
    for number in range(5):
        interface.publish(RECEIVE, body(str(number)))
    await until(lambda: len(faulty.bodies(RECEIVE)) == 5)

    # As after the promotion of a replica that had seen two batches only.
    faulty.client.hset(faulty.keys.published(), interface.id, "2")

    await until(lambda: interface.lost)
    assert interface.lost == [(2, 5)]
    interface.publish(RECEIVE, body("after"))
    await until(lambda: body("after") in faulty.bodies(RECEIVE))


async def test_what_is_read_while_it_registers_again_is_not_read_twice(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface, worker = await faulty.interface(), await faulty.worker(RECEIVE)
    layer = interface.layer
    assert isinstance(layer, RedisInterfaceLayer)
    ask = layer._calls.ask

    async def slow(command: list[str | bytes | int]) -> Answer:
        answer = await ask(command)
        if SCRIPTS["register"].sha in command:
            # Redis has told the last id of the mailbox, and before that is heard another entry is written and read.
            await worker.apply(interface.post("c", "once"))
            await interface.receive()
        return answer

    monkeypatch.setattr(layer._calls, "ask", slow)
    faulty.cut(["trunkline-interface"])
    await until(lambda: interface.told == ["away", "back"])

    assert layer._mailbox.read_id == interface.mail[-1][1]
    faulty.cut(["trunkline-mailbox"])  # and it reads from there
    await worker.apply(interface.post("c", "twice"))
    assert await interface.receive(2) == ["once", "twice"]


async def test_a_newer_add_keeps_its_token_when_holdings_are_written_again(faulty: Faulty) -> None:
    interface = await faulty.interface()
    interface.held = Holdings({}, {GroupName("room"): "5-0"})
    interface.publish(RECEIVE, body("0"))
    await until(lambda: len(faulty.bodies(RECEIVE)) == 1)
    faulty.client.hset(faulty.keys.group("room"), interface.id, "7-1")

    faulty.client.hset(faulty.keys.published(), interface.id, "0")

    await until(lambda: interface.lost)
    assert faulty.client.hget(faulty.keys.group("room"), interface.id) == b"7-1"


async def test_an_interface_without_its_registration_is_fenced(faulty: Faulty) -> None:
    interface = await faulty.interface()

    faulty.client.hdel(faulty.keys.published(), interface.id)

    await until(lambda: interface.told == ["fenced"])
    interface.publish(RECEIVE, body("too late"))
    assert faulty.bodies(RECEIVE) == []


async def test_an_interface_that_is_being_buried_is_fenced_whatever_was_lost(faulty: Faulty) -> None:
    """It registered after the loss, never heard so, and was silent until it was declared dead."""
    interface = await faulty.interface()

    with faulty.client.pipeline() as step:
        step.set(faulty.keys.epoch, "another")
        step.hdel(faulty.keys.published(), interface.id)
        step.zadd(faulty.keys.reaping, {interface.id: 1})
        step.execute()

    await until(lambda: interface.told[-1:] == ["fenced"])
    assert not faulty.client.hexists(faulty.keys.published(), interface.id)


def fall_asleep(happened: Callable[[], object]) -> None:
    """Holds the event loop up until something has happened; the threads of workers go on. What a stopped
    process sees of it."""
    deadline_s = time.monotonic() + 10.0
    while not happened():
        assert time.monotonic() < deadline_s, "nobody did it"
        time.sleep(0.01)


async def test_an_interface_that_was_asleep_when_all_data_was_lost_is_fenced(faulty: Faulty) -> None:
    """It was buried before, its disconnects were handled, and what told of that was lost with the rest."""
    interface, worker = await faulty.interface(), await faulty.worker(RECEIVE)
    interface.held = Holdings({ConnectionId("c"): b"\x01gone"}, {})
    await worker.apply(Register(interface.id, ConnectionId("c"), b"\x01gone"))

    fall_asleep(lambda: faulty.bodies(DISCONNECT) and not faulty.client.exists(faulty.keys.reaping))
    faulty.client.flushdb()

    await until(lambda: "fenced" in interface.told)
    assert not faulty.client.hexists(faulty.keys.published(), interface.id)
    assert not faulty.client.exists(faulty.keys.registry(interface.id))


async def test_an_interface_that_was_asleep_and_heard_since_that_it_lives_outlives_a_loss(
    faulty: Faulty,
) -> None:
    interface = await faulty.interface()
    interface.held = Holdings({ConnectionId("c"): b"\x01gone"}, {})
    began_s = time.monotonic()
    fall_asleep(lambda: time.monotonic() - began_s > 1.5 * faulty.settings.interface_lease_s)
    layer = interface.layer
    assert isinstance(layer, RedisInterfaceLayer)
    assert layer._waking.slept
    await until(lambda: not layer._waking.slept)

    faulty.client.flushdb()

    await until(lambda: faulty.client.exists(faulty.keys.registry(interface.id)))
    assert "fenced" not in interface.told


async def test_commits_on_a_cut_connection_count_once(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, *(body(str(number)) for number in range(100)))
    deliveries = await worker.take(100)
    counted: list[int] = []

    for number, delivery in enumerate(deliveries):
        outcome = Outcome(delivery, [interface.post("c", str(number))])
        worker.layer.commit([outcome], counted.append)
        if number % 20 == 10:
            faulty.cut(WORKER_LINKS)
            await until(lambda: worker.told[-1:] == ["back"])

    assert sorted(await interface.receive(100)) == sorted(str(number) for number in range(100))
    await until(lambda: len(counted) == 100)
    assert len(interface.texts) == 100


async def test_entries_whose_delivery_was_lost_are_found_without_counting_as_redelivered(
    faulty: Faulty,
) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("lost"))
    await until(lambda: faulty.bodies(RECEIVE))
    # As if the worker's read had been answered and the answer had not arrived.
    stream = faulty.keys.stream(RECEIVE)
    faulty.client.xreadgroup(faulty.keys.consumer_group, worker.id, {stream: ">"}, count=1)

    faulty.cut(["trunkline-reader"])

    (delivery,) = await worker.take(1)
    assert (delivery.body, delivery.attempt) == (body("lost"), 1)


async def test_missing_groups_are_made_again(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    worker.layer.read(1)

    faulty.client.delete(faulty.keys.stream(RECEIVE))
    worker.layer.read(1)
    interface.publish(RECEIVE, body("after"))

    assert (await worker.take_one(15)).body == body("after")


async def test_scripts_that_redis_forgot_are_loaded_again(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)

    faulty.client.script_flush()
    interface.publish(RECEIVE, body("0"))
    delivery = await worker.take_one()

    assert await worker.finish(delivery, interface.post("c", "x")) == 1
    assert await interface.receive() == ["x"]


async def test_a_redis_that_stands_still_is_away_and_then_back_and_fences_nobody(
    own_redis: RedisServer,
) -> None:
    assert own_redis.pid is not None
    async with faulty_on(own_redis) as faulty:
        interface = await faulty.interface()
        worker = await faulty.worker(RECEIVE)
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            interface.publish(RECEIVE, body("kept"))
            await until(lambda: interface.told == ["away"], 10)
            # Longer than the lease and the patience of the reaper together.
            ended_s = time.monotonic() + 3.0
            await until(lambda: time.monotonic() > ended_s, 10, "the lease is over")
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)

        assert (await worker.take_one(10)).body == body("kept")
        await until(lambda: interface.told[-1] == "back")
        assert "fenced" not in interface.told


async def test_garbage_in_a_mailbox_is_skipped(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    mailbox = faulty.keys.mailbox(interface.id)

    for fields in ({"b": b""}, {"b": b"\x01\xc1"}, {"x": "y", "z": "a"}, {"b": b"\x02\x90"}):
        faulty.client.xadd(mailbox, fields)  # type: ignore[arg-type]
    await worker.apply(interface.post("c", "still here"))

    assert await interface.receive() == ["still here"]


async def test_what_was_read_is_trimmed_from_the_mailbox(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    for number in range(20):
        await worker.apply(interface.post("c", str(number)))
    await interface.receive(20)

    await until(lambda: faulty.client.xlen(faulty.keys.mailbox(interface.id)) <= 1)


async def test_an_overgrown_mailbox_fences_its_interface(own_redis: RedisServer) -> None:
    async with faulty_on(own_redis, mailbox_capacity=100) as faulty:
        interface = await faulty.interface()
        worker = await faulty.worker(RECEIVE)
        mailbox = faulty.keys.mailbox(interface.id)
        for _ in range(101):
            faulty.client.xadd(mailbox, {"b": codec.encode_mailbox([])})

        await worker.apply(interface.post("c", "one too many"))

        await until(lambda: "fenced" in interface.told)
        assert not faulty.client.exists(mailbox)


NOWHERE = LayerSettings.model_validate({"redis_url": "unix:///nonexistent/redis.sock"})


async def test_opening_an_interface_without_a_redis_says_so() -> None:
    layer = RedisInterfaceLayer(NOWHERE)
    interface = NotingInterface(layer)

    with pytest.raises(LayerUnavailable, match="nonexistent"):
        await layer.open(lease_info(interface.id, "interface"), interface)


async def test_opening_a_worker_without_a_redis_says_so() -> None:
    layer = RedisWorkerLayer(NOWHERE)
    worker = NotingWorker(layer)

    with pytest.raises(LayerUnavailable, match="nonexistent"):
        await layer.open(lease_info(worker.id, "worker"), [RECEIVE], worker)


async def test_an_operator_without_a_redis_is_told_where_it_was_looked_for_but_no_password() -> None:
    settings = LayerSettings.model_validate({"redis_url": "redis://user:secret@127.0.0.1:1/0"})
    operator = RedisOperatorLayer(settings)

    with pytest.raises(LayerUnavailable, match=r"127\.0\.0\.1:1") as raised:
        await operator.stats()

    assert "secret" not in str(raised.value)
    await operator.close()
