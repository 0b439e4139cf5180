"""Entries that were handed back to rest: whom they hold up, and that nothing strands them."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty
from tests.support.waiting import until
from trunkline.protocol.codec import encode_entry
from trunkline.protocol.messages import Delivery, Entry, Register
from trunkline.protocol.names import DISCONNECT, RECEIVE, ConnectionId, reply_name

HOUR_MS = 3600 * 1000


async def rest(faulty: Faulty, *bodies: bytes, after_ms: int = HOUR_MS) -> Delivery:
    """Publishes entries, of which the first is handed back to rest by a worker that ends."""
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, *bodies)
    first, *others = await worker.take(len(bodies))
    await asyncio.to_thread(worker.layer.give_back, [first], after_ms)
    for other in others:
        await worker.finish(other)
    await worker.layer.close()
    return first


def make_due(faulty: Faulty) -> None:
    """Lets the hour pass."""
    resting = faulty.keys.base + "resting"
    members: Any = faulty.client.zrange(resting, 0, -1)
    for member in members:
        faulty.client.zadd(resting, {member: 1})


async def test_an_entry_that_rests_is_taken_when_its_time_has_come_with_its_count_of_deliveries(
    faulty: Faulty,
) -> None:
    await rest(faulty, body("0"))
    worker = await faulty.worker(RECEIVE)
    claimable = faulty.keys.base + "returned"
    await until(lambda: faulty.client.get(faulty.keys.reaper) == worker.id.encode())
    assert not faulty.client.exists(claimable)

    make_due(faulty)

    again = await worker.take_one()
    assert (again.body, again.attempt) == (body("0"), 1)
    assert faulty.client.zcard(faulty.keys.base + "resting") == 0


async def test_entries_whose_times_were_lost_are_taken_over(faulty: Faulty) -> None:
    await rest(faulty, body("0"))
    faulty.client.delete(faulty.keys.base + "resting")

    worker = await faulty.worker(RECEIVE)

    again = await worker.take_one(15)  # when the reaper looks for entries that nobody holds
    assert (again.body, again.attempt) == (body("0"), 2)


async def test_a_time_for_an_entry_that_is_gone_or_was_never_there_disturbs_nobody(faulty: Faulty) -> None:
    gone = await rest(faulty, body("0"))
    faulty.client.xack(faulty.keys.stream(RECEIVE), faulty.keys.consumer_group, gone.id)
    faulty.client.set(faulty.keys.stream("bad"), "of another type")
    faulty.client.zadd(faulty.keys.base + "resting", {"bad 1-1": 1, "garbage": 1, "none 1-1": 1})
    make_due(faulty)

    await faulty.worker(RECEIVE)

    await until(lambda: faulty.client.zcard(faulty.keys.base + "resting") == 0)
    assert not faulty.client.exists(faulty.keys.base + "returned")


async def test_the_disconnects_of_a_dead_interface_wait_for_what_rests(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    reply = reply_name(interface.id, ConnectionId("c"))
    await worker.apply(Register(interface.id, ConnectionId("c"), body("gone")))
    interface.publish(RECEIVE, encode_entry(Entry(RECEIVE, reply, "/", 1, ["x"])))
    delivery = await worker.take_one()
    await asyncio.to_thread(worker.layer.give_back, [delivery], HOUR_MS)

    await interface.layer.retire()
    await interface.layer.close()
    await until(lambda: faulty.client.zcard(faulty.keys.reaping), 10)
    ticks = int(faulty.client.get(faulty.keys.base + "watched") or 0)
    await until(lambda: int(faulty.client.get(faulty.keys.base + "watched") or 0) > ticks + 600, 10)
    assert faulty.bodies(DISCONNECT) == []

    make_due(faulty)
    await worker.finish(await worker.take_one())

    await until(lambda: faulty.bodies(DISCONNECT) == [body("gone")], 10)
