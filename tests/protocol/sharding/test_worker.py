"""The worker's side of several shards, over layers that do what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from tests.protocol.layer_harness import lease_info
from tests.support.fake_worker_layer import FakeWorkerLayer
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.layer import WorkerReceiver
from trunkline.protocol.messages import DeadLetter, Delivery, LeaseInfo, Outcome
from trunkline.protocol.names import ChannelName, new_connection_id
from trunkline.protocol.sharding import ShardedWorkerLayer

JOBS = ChannelName("jobs")


class Receiver:
    """A worker that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def deliver(self, deliveries: list[Delivery]) -> None:
        self.told.append(deliveries)

    def room(self) -> int:
        return 7

    def away(self, shard: int = 0) -> None:
        self.told.append(f"{shard} away")

    def back(self, shard: int = 0) -> None:
        self.told.append(f"{shard} back")


class Refusing(FakeWorkerLayer):
    """One whose Redis is away."""

    async def open(self, info: LeaseInfo, channels: Sequence[ChannelName], receiver: WorkerReceiver) -> None:
        raise LayerUnavailable("gone fishing")


def sharded(*layers: FakeWorkerLayer) -> ShardedWorkerLayer:
    """One over these."""

    def made(layer: FakeWorkerLayer) -> FakeWorkerLayer:
        return layer

    return ShardedWorkerLayer([partial(made, layer) for layer in layers])


async def opened(*layers: FakeWorkerLayer) -> tuple[ShardedWorkerLayer, Receiver]:
    layer, receiver = sharded(*layers), Receiver()
    await layer.open(lease_info("w1", "worker"), [JOBS], receiver)
    return layer, receiver


def delivery(number: int, shard: int) -> Delivery:
    return Delivery(JOBS, f"{number}-0", b"", 1, 0.0, (), shard)


def outcome(number: int, shard: int) -> Outcome:
    return Outcome(delivery(number, shard), [])


async def test_every_shard_is_asked_for_its_share_and_says_what_it_has() -> None:
    one, two = FakeWorkerLayer(), FakeWorkerLayer()
    layer, receiver = await opened(one, two)

    layer.read(5)
    two.give(delivery(1, 1))
    one.receiver.away()
    two.receiver.away()
    one.receiver.back()
    layer.stop_reading()

    assert (one.reads, two.reads) == ([3], [3])
    assert receiver.told == [[delivery(1, 1)], "0 away", "1 away", "0 back"]
    assert two.receiver.room() == 7
    assert not one.reading


async def test_an_outcome_is_committed_where_its_entry_came_from() -> None:
    one, two = FakeWorkerLayer(), FakeWorkerLayer()
    layer, _ = await opened(one, two)
    counted: asyncio.Queue[int] = asyncio.Queue()
    mixed = [outcome(1, 1), outcome(1, 0), outcome(2, 1)]

    layer.commit(mixed, counted.put_nowait)
    layer.commit_now(mixed, counted.put_nowait)
    layer.commit([outcome(3, 0)], counted.put_nowait)
    layer.commit([], counted.put_nowait)

    assert sorted([await counted.get() for _ in range(4)]) == [0, 1, 3, 3]
    assert one.commits == [[outcome(1, 0)], [outcome(1, 0)], [outcome(3, 0)]]
    assert two.commits == [[outcome(1, 1), outcome(2, 1)]] * 2


async def test_a_shard_that_is_away_gets_its_part_of_a_commit_from_a_thread_later() -> None:
    one, two = FakeWorkerLayer(), FakeWorkerLayer()
    layer, _ = await opened(one, two)
    two.refuses_back = LayerUnavailable("away")
    counted: asyncio.Queue[int] = asyncio.Queue()

    layer.commit_now([outcome(1, 0), outcome(1, 1)], counted.put_nowait)
    assert await counted.get() == 2
    with pytest.raises(LayerUnavailable):
        layer.commit_now([outcome(2, 1)], counted.put_nowait)

    assert (one.commits, two.commits) == ([[outcome(1, 0)]], [[outcome(1, 1)]])


async def test_sessions_are_read_where_their_connections_live_and_come_in_the_order_asked() -> None:
    one, two = FakeWorkerLayer(), FakeWorkerLayer()
    layer, _ = await opened(one, two)
    here, there, nowhere = new_connection_id(), new_connection_id(1), new_connection_id(5)
    one.stored[here], two.stored[there] = b"zero", b"one"
    found: asyncio.Queue[list[bytes]] = asyncio.Queue()

    layer.sessions([there, nowhere, here], found.put_nowait)
    layer.sessions([], found.put_nowait)

    assert sorted([await found.get(), await found.get()]) == [[], [b"one", b"", b"zero"]]
    assert (one.asked, two.asked) == ([[here]], [[there]])


async def test_effects_go_to_the_shard_of_their_delivery_or_to_each_in_turn() -> None:
    one, two = FakeWorkerLayer(), FakeWorkerLayer()
    layer, _ = await opened(one, two)
    effect = DeadLetter(b"x")

    layer.apply([effect], lambda: None, delivery(1, 1))
    layer.apply([effect], lambda: None)
    layer.apply([effect], lambda: None)

    assert one.applied == [([effect], None)]
    assert two.applied == [([effect], delivery(1, 1)), ([effect], None)]


async def test_entries_are_handed_back_where_they_came_from() -> None:
    one, two = FakeWorkerLayer(), FakeWorkerLayer()
    layer, _ = await opened(one, two)
    one.refuses_back = LayerUnavailable("away")

    with pytest.raises(LayerUnavailable):
        layer.give_back([delivery(1, 0), delivery(1, 1)], 50)
    layer.give_back([delivery(2, 1)])

    assert (one.returned, two.returned) == ([], [delivery(1, 1), delivery(2, 1)])
    assert two.rested_ms == [50, 0]


async def test_it_opens_on_all_shards_or_on_none() -> None:
    one = FakeWorkerLayer()

    with pytest.raises(LayerUnavailable, match="shard 1: gone fishing"):
        await opened(one, Refusing())

    assert one.closed


async def half_opened(one: FakeWorkerLayer, two: FakeWorkerLayer) -> tuple[ShardedWorkerLayer, Receiver]:
    """On the first shard, while the second is away."""
    layer, receiver = sharded(one, two), Receiver()
    layer.leave_out([1])
    await layer.open(lease_info("w1", "worker"), [JOBS], receiver)
    return layer, receiver


async def test_without_a_shard_that_is_away_it_serves_the_others_and_reads_that_one_once_it_has_joined() -> (
    None
):
    one, two = FakeWorkerLayer(), FakeWorkerLayer()
    layer, receiver = await half_opened(one, two)
    assert layer.missing == [1]
    assert receiver.told == ["1 away"]

    layer.read(5)
    layer.apply([DeadLetter(b"x")], lambda: None)
    layer.apply([DeadLetter(b"x")], lambda: None)
    assert (one.reads, two.reads) == ([5], [])
    assert len(one.applied) == 2

    await layer.join(1)
    assert layer.missing == []
    assert receiver.told == ["1 away", "1 back"]
    assert two.reads == [3]
    two.give(delivery(1, 1))
    assert receiver.told[-1] == [delivery(1, 1)]
    await layer.close()
    assert one.closed and two.closed


async def test_a_session_on_a_shard_that_is_away_is_read_once_it_has_joined() -> None:
    one, two = FakeWorkerLayer(), FakeWorkerLayer()
    layer, _ = await half_opened(one, two)
    here, there = new_connection_id(), new_connection_id(1)
    one.stored[here], two.stored[there] = b"zero", b"one"
    found: asyncio.Queue[list[bytes]] = asyncio.Queue()

    layer.sessions([there, here], found.put_nowait)
    layer.stop_reading()
    await layer.join(1)

    assert await found.get() == [b"one", b"zero"]
    assert two.reads == []


async def test_a_shard_that_cannot_be_joined_is_named_and_leaves_nothing_behind() -> None:
    away = Refusing()
    layer, receiver = await half_opened(FakeWorkerLayer(), away)

    with pytest.raises(LayerUnavailable, match="shard 1: gone fishing"):
        await layer.join(1)

    assert away.closed
    assert layer.missing == [1]
    assert receiver.told == ["1 away"]


async def test_a_shard_that_is_joined_while_the_worker_ends_is_left_again() -> None:
    two = FakeWorkerLayer()
    layer, _ = await half_opened(FakeWorkerLayer(), two)
    await layer.close()

    with pytest.raises(LayerUnavailable, match="the worker has ended"):
        await layer.join(1)

    assert two.closed
