"""A Redis Cluster of six nodes under numbered load: a slot is moved key by key, a primary is killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from tests.faults.cases import FORGOTTEN, ONCE
from tests.faults.leaks import leaks
from tests.faults.ledger import Ledger
from tests.faults.load import Load
from tests.faults.play import WARM, counted, end
from tests.faults.promises import Promises
from tests.faults.scene import Scene
from tests.support.processes import Processes, new_prefix
from tests.support.redis_server import MISSING, find_binary
from tests.support.six_nodes import Node, SixNodes
from tests.support.waiting import until
from trunkline.protocol.codec import decode_session
from trunkline.protocol.names import Keys

pytestmark = [pytest.mark.topologies, pytest.mark.timeout(400)]

APP = "tests.faults.app"
SHARDS = 4
LAG_S = 1.0
"""A replica on a busy machine may lack what its primary answered in so much time before it died."""
GOES_ON_WITHIN_S = 60.0
SHOWN = 15


class OnSixNodes:
    """Two interface servers and two workers over a Redis Cluster."""

    def __init__(self, redis: SixNodes, logs: Path) -> None:
        self.redis = redis
        self.prefix = new_prefix()
        self.processes = Processes(redis.url, self.prefix, logs)
        self.shards = [Keys(self.prefix, shard) for shard in range(SHARDS)]

    async def start(self) -> list[str]:
        """Starts the processes; the interface servers' addresses."""
        for _ in range(2):
            self.processes.interface()
            self.processes.worker(routing=APP)
        await self.processes.ready()
        return [interface.address for interface in self.processes.interfaces]

    async def sessions(self) -> dict[str, int]:
        """The counter in each session, by connection name; for `end`."""
        found: dict[str, int] = {}
        for shard, keys in enumerate(self.shards):
            async with self.processes.data(shard) as data:
                async for key in data.scan_iter(match=f"{keys.base}session:*", count=1000):
                    raw = await data.get(key)
                    if isinstance(raw, bytes):
                        session = decode_session(raw)
                        found[str(session.get("name", key))] = int(session.get("counted", 0))
        return found

    async def connections(self) -> list[int]:
        """How many accepted connections each shard has."""
        counts = []
        for shard, keys in enumerate(self.shards):
            async with self.processes.data(shard) as data:
                found = [key async for key in data.scan_iter(match=f"{keys.base}connections:*")]
                counts.append(sum([await data.hlen(key) for key in found]))
        return counts

    async def leaks(self) -> list[str]:
        """What stands on any shard that should not when no connection is open."""
        alive = {one.id for one in self.processes.interfaces} | {one.id for one in self.processes.workers}
        found: list[str] = []
        for shard, keys in enumerate(self.shards):
            async with self.processes.data(shard) as data:
                found += [f"shard {shard}: {leak}" for leak in await leaks(data, keys, alive)]
        return found


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[OnSixNodes]:
    binary = find_binary()
    if binary is None:
        pytest.fail(MISSING, pytrace=False)
    with ExitStack() as places:
        redis = SixNodes(places, binary)
        found = OnSixNodes(redis, tmp_path)
        try:
            await redis.start()
            yield found
        finally:
            found.processes.end()
            await redis.close()


async def books(cluster: OnSixNodes, load: Load, promises: Promises) -> Ledger:
    """Lets a load go on to its end, and has its books."""
    await load.everybody_goes_on(GOES_ON_WITHIN_S)
    await load.finish(GOES_ON_WITHIN_S)
    return await end(cast(Any, cluster), load, sessions_lost=promises is FORGOTTEN)


def check(ledger: Ledger, promises: Promises, scene: Scene) -> None:
    entries = ledger.entries()
    broken = ledger.broken(promises, scene.may_be_forgotten)
    print(
        f"sent={ledger.sent} effects={ledger.effects}; {counted(entries) or 'none lost, doubled or reordered'}"
    )
    assert not broken, f"{counted(broken)}\n" + "\n".join(f"  {entry}" for entry in broken[:SHOWN])


async def nothing_is_left(cluster: OnSixNodes) -> None:
    left: list[str] = []

    async def clean() -> bool:
        left[:] = await cluster.leaks()
        return not left

    try:
        await until(clean, 20, "nothing is left")
    except AssertionError:
        raise AssertionError(f"left in Redis: {left}") from None


async def test_slots_are_moved_under_load_and_nothing_is_lost_doubled_or_reordered(
    cluster: OnSixNodes,
) -> None:
    addresses = await cluster.start()
    async with Load(addresses) as load:
        await load.goes_on(WARM)
        assert all(await cluster.connections()), "every shard has connections"
        scene = Scene(cast(Any, cluster), load)
        scene.struck()
        for shard in (0, 1):
            source = await cluster.redis.primary_of(shard)
            target = next(node for node in cluster.redis.nodes[:3] if node is not source)
            moved = await cluster.redis.move(shard, target)
            print(f"shard {shard}: keys moved={moved}")
            assert moved > 10
            await load.everybody_goes_on(GOES_ON_WITHIN_S)
            assert await cluster.redis.primary_of(shard) is target
        scene.mended()
        ledger = await books(cluster, load, ONCE)
    check(ledger, ONCE, scene)
    await nothing_is_left(cluster)
    assert not (complaints := cluster.processes.complaints()), "\n".join(complaints)


async def test_a_primary_is_killed_under_load_and_its_replica_takes_over(cluster: OnSixNodes) -> None:
    addresses = await cluster.start()
    async with Load(addresses) as load:
        await load.goes_on(WARM)
        scene = Scene(cast(Any, cluster), load)
        dead: Node = await cluster.redis.primary_of(1)
        scene.forgot_from_s = asyncio.get_running_loop().time() - LAG_S
        scene.struck()
        dead.process.kill()
        await until(lambda: cluster.redis.promoted(1, dead), GOES_ON_WITHIN_S, "a replica has taken over")
        await load.everybody_goes_on(GOES_ON_WITHIN_S)
        scene.mended()
        ledger = await books(cluster, load, FORGOTTEN)
    check(ledger, FORGOTTEN, scene)
    assert not any(talker.record.cut for talker in load.talkers)
    assert not (complaints := cluster.processes.complaints()), "\n".join(complaints)
