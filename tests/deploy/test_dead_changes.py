"""Dead letters put back in order, and dropped, on the in-memory layer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from tests.protocol.layer_contract.effects import dead
from tests.protocol.layer_harness import Cluster, Worker
from tests.support.waiting import until
from trunkline.deploy.dead_changes import Changes, Result
from trunkline.protocol.codec import decode_entry, encode_entry
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.memory.operator import MemoryOperatorLayer
from trunkline.protocol.messages import DeadLetterRecord, Entry
from trunkline.protocol.names import DISCONNECT, RECEIVE, ChannelName, ReplyName
from trunkline.protocol.redriving import Redriven

JOBS = ChannelName("jobs")


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus(capacity=3)


@pytest.fixture
async def cluster(bus: MemoryBus) -> AsyncIterator[Cluster]:
    cluster = Cluster(bus)
    yield cluster
    await cluster.close()


def event(connection: str, seq: int) -> Entry:
    return Entry(RECEIVE, ReplyName(f"reply.i1!{connection}"), "/", seq, [f"{connection}{seq}"])


async def letters_of(cluster: Cluster, worker: Worker, *entries: Entry) -> list[str]:
    await worker.apply(*(dead(entry.channel, encode_entry(entry)) for entry in entries))
    return [letter.id for letter in await cluster.operator.dead_letters()]


async def all_of(cluster: Cluster) -> AsyncIterator[DeadLetterRecord]:
    for letter in await cluster.operator.dead_letters():
        yield letter


async def test_letters_of_a_connection_are_handled_in_the_order_of_its_events(cluster: Cluster) -> None:
    worker = await cluster.worker(RECEIVE, DISCONNECT)
    end = Entry(DISCONNECT, ReplyName("reply.i1!c"), "/", 9, [{"code": 1000, "reason": ""}])
    ids = await letters_of(cluster, worker, end, event("c", 7), event("d", 1), event("c", 3))
    changes = Changes(cluster.operator, lambda result: None)

    redriving = asyncio.create_task(changes.redrive(all_of(cluster), 5.0))
    handled = []
    for delivery in await worker.take(2):
        handled.append(decode_entry(delivery.channel, delivery.body).id)
        await worker.finish(delivery)
    for _ in range(2):
        delivery = await worker.take_one()
        await asyncio.sleep(0)
        assert worker.inbox == [], "the next one waits until this one is handled"
        handled.append(decode_entry(delivery.channel, delivery.body).id)
        await worker.finish(delivery)
    await redriving

    assert sorted(handled[:2], key=str) == ["c:3", "d:1"]
    assert handled[2:] == ["c:7", "c:9"]
    assert {result.id for result in changes.results if result.outcome == "put_back_gone"} == set(ids)


async def test_letters_whose_turn_does_not_come_stay(cluster: Cluster) -> None:
    worker = await cluster.worker(RECEIVE)
    one, two, three = await letters_of(cluster, worker, event("c", 1), event("c", 2), event("c", 3))
    changes = Changes(cluster.operator, lambda result: None)

    await changes.redrive(all_of(cluster), 0.0)

    assert changes.results == [Result(one, "put_back_gone"), Result(two, "busy"), Result(three, "behind")]
    assert [letter.id for letter in await cluster.operator.dead_letters()] == [two, three]


async def test_a_full_channel_loses_nothing_and_is_said(cluster: Cluster) -> None:
    worker = await cluster.worker()
    jobs = [Entry(JOBS, None, None, 0, [{"job": number}]) for number in range(4)]
    ids = await letters_of(cluster, worker, *jobs)
    changes = Changes(cluster.operator, lambda result: None)

    await changes.redrive(all_of(cluster), 0.0)

    assert changes.results == [*(Result(name, "put_back") for name in ids[:3]), Result(ids[3], "full")]
    assert [letter.id for letter in await cluster.operator.dead_letters()] == ids[3:]


async def test_garbage_and_letters_that_went_meanwhile_hold_up_nobody(cluster: Cluster) -> None:
    worker = await cluster.worker(RECEIVE)
    await worker.apply(dead(RECEIVE, b"\xc1"))
    garbage, one, two = await letters_of(cluster, worker, event("c", 1), event("c", 2))

    async def and_one_goes() -> AsyncIterator[DeadLetterRecord]:
        async for letter in all_of(cluster):
            yield letter
        await cluster.operator.drop(one)

    told: list[Result] = []
    await Changes(cluster.operator, told.append).redrive(and_one_goes(), 0.0)

    assert told == [Result(garbage, "no_message"), Result(one, "missing"), Result(two, "put_back_gone")]


async def test_dropping_tells_which_were_there(cluster: Cluster) -> None:
    worker = await cluster.worker()
    (one,) = await letters_of(cluster, worker, event("c", 1))
    changes = Changes(cluster.operator, lambda result: None)

    await changes.drop([one, "99-0"])

    assert changes.results == [Result(one, "dropped"), Result("99-0", "missing")]
    assert [result.done for result in changes.results] == [True, False]


async def test_a_redis_that_goes_away_leaves_one_letter_in_doubt(bus: MemoryBus, cluster: Cluster) -> None:
    class Failing(MemoryOperatorLayer):
        async def redrive(self, letter_id: str) -> Redriven:
            if letter_id == two:
                raise LayerUnavailable("Redis is away")
            return await super().redrive(letter_id)

    worker = await cluster.worker(RECEIVE)
    one, two, _ = await letters_of(cluster, worker, event("c", 1), event("d", 1), event("e", 1))
    changes = Changes(Failing(bus), lambda result: None)

    with pytest.raises(LayerUnavailable):
        await changes.redrive(all_of(cluster), 0.0)

    assert changes.results == [Result(one, "put_back_gone")]
    assert changes.under_way == two


@pytest.mark.parametrize("verb", ["redrive", "drop"])
async def test_an_interruption_that_the_layer_swallows_ends_it_all_the_same(
    bus: MemoryBus, cluster: Cluster, verb: str
) -> None:
    class Swallowing(MemoryOperatorLayer):
        async def redrive(self, letter_id: str) -> Redriven:
            await swallow()
            return await super().redrive(letter_id)

        async def drop(self, letter_id: str) -> bool:
            await swallow()
            return await super().drop(letter_id)

    async def swallow() -> None:
        changing.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)

    worker = await cluster.worker(RECEIVE)
    ids = await letters_of(cluster, worker, event("c", 1), event("d", 1))
    changes = Changes(Swallowing(bus), lambda result: None)
    change = changes.drop(ids) if verb == "drop" else changes.redrive(all_of(cluster), 60.0)
    changing = asyncio.create_task(change)
    await asyncio.wait([changing])

    assert changing.cancelled()
    assert [result.id for result in changes.results] == ids[:1]
    assert [letter.id for letter in await cluster.operator.dead_letters()] == ids[1:]


async def test_an_interruption_that_is_swallowed_while_a_turn_is_waited_for_ends_it(
    bus: MemoryBus, cluster: Cluster
) -> None:
    class Swallowing(MemoryOperatorLayer):
        async def redrive(self, letter_id: str) -> Redriven:
            changing.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            return Redriven("busy")

    worker = await cluster.worker(RECEIVE)
    (letter,) = await letters_of(cluster, worker, event("c", 1))
    changes = Changes(Swallowing(bus), lambda result: None)
    changing = asyncio.create_task(changes.redrive(all_of(cluster), 60.0))
    await asyncio.wait([changing])

    assert changing.cancelled()
    assert (changes.results, changes.under_way) == ([], "")
    assert [each.id for each in await cluster.operator.dead_letters()] == [letter]


async def test_nothing_is_in_doubt_while_a_turn_is_waited_for(cluster: Cluster) -> None:
    worker = await cluster.worker(RECEIVE)
    await letters_of(cluster, worker, event("c", 1), event("c", 2))
    changes = Changes(cluster.operator, lambda result: None)
    redriving = asyncio.create_task(changes.redrive(all_of(cluster), 60.0))
    await until(lambda: changes.results)

    redriving.cancel()
    await asyncio.wait([redriving])

    assert (len(changes.results), changes.under_way) == (1, "")
    assert len(await cluster.operator.dead_letters()) == 1
