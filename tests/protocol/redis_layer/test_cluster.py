"""The Redis layer on a Redis Cluster of one node; one of six is `tests/topologies`' to have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.protocol.layer_harness import Cluster, body
from tests.support import redis_server as servers
from tests.support.six_nodes import SLOTS, Node
from tests.support.waiting import until
from trunkline.protocol.layer import InterfaceLayer, OperatorLayer, WorkerLayer
from trunkline.protocol.messages import GroupSend, Outcome
from trunkline.protocol.names import ChannelName, GroupName, Keys
from trunkline.protocol.process.desired import Load
from trunkline.protocol.redis_layer import RedisInterfaceLayer, shards
from trunkline.protocol.settings import LayerSettings

JOBS = ChannelName("jobs")


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    binary = servers.find_binary()
    if binary is None:
        pytest.fail(servers.MISSING, pytrace=False)
    with servers.folder() as place:
        made = Node(place, binary)
        await until(made.answers, 30, "the node answers")
        await made.ask("CLUSTER", "ADDSLOTS", *range(SLOTS))

        await until(made.serves, 30, "all slots are served")
        yield made
        await made.client.aclose()
        made.process.stop()


@pytest.fixture
def settings(node: Node) -> LayerSettings:
    return LayerSettings.model_validate({"redis_url": f"redis+cluster://127.0.0.1:{node.port}", "shards": 2})


class Sides:
    """Of two shards; interface servers' connections live on the second."""

    def __init__(self, settings: LayerSettings) -> None:
        self._settings = settings

    def interface(self) -> InterfaceLayer:
        return RedisInterfaceLayer(self._settings, 1)

    def worker(self) -> WorkerLayer:
        return shards.worker_layer(self._settings)

    def operator(self) -> OperatorLayer:
        return shards.operator_layer(self._settings)


async def test_a_message_makes_its_trip_through_a_cluster(settings: LayerSettings, node: Node) -> None:
    await shards.agree(settings)
    cluster = Cluster(Sides(settings))
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)

    interface.publish(JOBS, body("a"))
    delivery = await worker.take_one()
    assert delivery.shard == 1
    assert await worker.finish(delivery, interface.post("c", "hello")) == 1
    assert await interface.receive() == ["hello"]

    counted: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    interface.publish(JOBS, body("b"))
    outcome = Outcome(await worker.take_one(), [interface.post("c", "again")])
    await asyncio.to_thread(worker.layer.commit_now, [outcome], counted.set_result)
    assert await counted == 1
    assert await interface.receive(2) == ["hello", "again"]
    assert [lease.id for lease in (await cluster.operator.stats()).workers] == [worker.id]
    assert await cluster.operator.dead_letters() == []
    assert isinstance(cluster.operator, shards.RedisShardedOperatorLayer)
    assert len((await cluster.operator.inspect()).servers) == 2
    assert await cluster.operator.agree({"worker": 3}, 60.0) == {"worker": 3}
    await cluster.operator.report_load("w1", Load(0.5))
    assert "w1" in (await cluster.operator.shared_loads(["w1"], [])).loads
    waits = shards.QueueWaits(settings)
    assert await waits.waits_s() == {}
    await waits.close()
    await cluster.close()


async def test_who_sends_from_outside_finds_the_node(settings: LayerSettings, node: Node) -> None:
    await shards.agree(settings)
    sender = shards.sender(settings)
    await asyncio.to_thread(sender.apply, [GroupSend(GroupName("nobody"), b"x")])
    await asyncio.to_thread(sender.close)

    held = await node.client.hgetall(Keys(settings.prefix, 1).layout)
    assert held["used"] == "2"
