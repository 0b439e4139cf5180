"""What the reaper must see to however things stand: numbers, orphans, clocks, and what blocks its way."""

from __future__ import annotations

import time

import pytest

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty, faulty_on
from tests.support.redis_server import RedisServer
from tests.support.waiting import until
from trunkline.protocol.errors import CodecError
from trunkline.protocol.messages import ChannelSend, Register
from trunkline.protocol.names import DISCONNECT, RECEIVE, ChannelName, ConnectionId
from trunkline.protocol.redis_layer import RedisOperatorLayer, lease_thread
from trunkline.protocol.redriving import Redriven, again

HOUR_MS = 3600 * 1000


async def test_every_one_of_many_connections_gets_its_disconnect(faulty: Faulty) -> None:
    interface = await faulty.interface()
    await faulty.worker(RECEIVE)
    count = 6000
    # Bodies of a real length: Redis keeps a large hash otherwise than a small one, and walks through it otherwise.
    held = {f"c{number}": body(f"c{number}" + "x" * 100) for number in range(count)}
    faulty.client.hset(faulty.keys.registry(interface.id), mapping=held)  # type: ignore[arg-type]

    await interface.layer.close()

    await until(lambda: faulty.client.xlen(faulty.keys.stream(DISCONNECT)) >= count, 15)
    assert sorted(faulty.bodies(DISCONNECT)) == sorted(held.values())
    await until(lambda: not faulty.client.exists(faulty.keys.reaping))


async def test_entries_delivered_to_a_worker_that_was_buried_are_taken_over(faulty: Faulty) -> None:
    interface = await faulty.interface()
    living = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"))
    await until(lambda: faulty.bodies(RECEIVE))

    # As to the read of a machine that vanished, which waits on while its owner is declared dead and forgotten.
    stream = faulty.keys.stream(RECEIVE)
    faulty.client.xreadgroup(faulty.keys.consumer_group, "w0", {stream: ">"}, count=1)

    taken = await living.take_one(10)
    assert (taken.body, taken.attempt) == (body("0"), 2)


async def test_a_clock_that_went_back_does_not_keep_the_dead_alive(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    await worker.apply(Register(interface.id, ConnectionId("c"), body("gone")))
    await interface.layer.close()

    before_ms = int(time.time() * 1000) + HOUR_MS
    faulty.client.zadd(faulty.keys.leases("interface"), {interface.id: before_ms})
    faulty.client.set(faulty.keys.base + "watched", before_ms)

    await until(lambda: faulty.bodies(DISCONNECT) == [body("gone")], 10)


async def test_a_delayed_message_that_cannot_be_published_holds_back_no_other(faulty: Faulty) -> None:
    worker = await faulty.worker(RECEIVE)
    faulty.client.set(faulty.keys.stream("bad"), "of another type")
    faulty.client.zadd(faulty.keys.delayed, {b"w0.1/1 bad " + body("kept"): 1})

    await worker.apply(ChannelSend(RECEIVE, body("later"), 50))

    await until(lambda: faulty.bodies(RECEIVE) == [body("later")])
    assert faulty.client.zcard(faulty.keys.delayed) == 0
    operator = RedisOperatorLayer(faulty.settings)
    (letter,) = await operator.dead_letters()
    assert (letter.reason, letter.channel, letter.body) == ("effect_failed", "bad", body("kept"))
    assert "WRONGTYPE" in letter.error
    faulty.client.delete(faulty.keys.stream("bad"))
    assert await operator.redrive(letter.id) == Redriven("put_back")
    assert faulty.bodies(ChannelName("bad")) == [again(letter).body]
    await operator.close()


async def test_a_delayed_message_that_no_worker_wrote_becomes_a_dead_letter(faulty: Faulty) -> None:
    await faulty.worker(RECEIVE)
    faulty.client.zadd(faulty.keys.delayed, {"garbage": 1})

    operator = RedisOperatorLayer(faulty.settings)
    await until(lambda: faulty.client.xlen(faulty.keys.dead()))
    (letter,) = await operator.dead_letters()

    assert (letter.reason, letter.channel, letter.body) == ("effect_failed", "", b"garbage")
    with pytest.raises(CodecError, match="channel"):
        await operator.redrive(letter.id)
    assert await operator.dead_letter(letter.id) == letter
    await operator.close()


async def test_a_delayed_message_for_a_full_channel_becomes_a_dead_letter(own_redis: RedisServer) -> None:
    async with faulty_on(own_redis, capacity=1) as faulty:
        jobs = ChannelName("jobs")
        worker = await faulty.worker(RECEIVE)
        await worker.apply(ChannelSend(jobs, body("0")), ChannelSend(jobs, body("1"), 1))

        operator = RedisOperatorLayer(faulty.settings)
        await until(lambda: faulty.client.xlen(faulty.keys.dead()))
        (letter,) = await operator.dead_letters()
        await operator.close()

        assert (letter.reason, letter.channel, letter.body) == ("channel_full", jobs, body("1"))


async def test_thousands_of_delayed_messages_fall_due_at_once(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_thread, "STEP_LOOKS", 90)
    count = 1000
    due = {b"w0.1/%d %s %s" % (n, RECEIVE.encode(), body(str(n))): n + 1 for n in range(count)}
    faulty.client.zadd(faulty.keys.delayed, due)
    ticks: set[object] = set()

    def all_published() -> bool:
        ticks.add(faulty.client.get(faulty.keys.base + "watched"))
        return len(faulty.bodies(RECEIVE)) >= count

    await faulty.worker()
    await until(all_published)

    assert faulty.bodies(RECEIVE) == [body(str(n)) for n in range(count)]
    assert len(ticks - {None}) <= 4  # not one step a heartbeat
