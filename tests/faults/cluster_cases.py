"""Cases of a Redis Cluster: slots are moved and replicas take over under load."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.faults.cases import FORGOTTEN, Case
from tests.faults.redises.kind import catch_up
from tests.faults.redises.nodes import Nodes
from tests.faults.scene import Scene
from tests.support.six_nodes import SixNodes
from trunkline.protocol.redis_url import CLUSTER_SHARDS

WITHIN_S = 30.0
"""A node is missed for two seconds, the others agree on it, its replica asks them for their votes; a busy machine
takes its time for each."""
LEAST_KEYS = 10


def _nodes(scene: Scene) -> SixNodes:
    assert isinstance(scene.cluster.redises, Nodes)
    return scene.cluster.redises.six


async def slots_moved(scene: Scene) -> None:
    """The slots of two shards are moved to other primaries, key by key, one behind the other."""
    six = _nodes(scene)
    for shard in range(CLUSTER_SHARDS):
        assert await scene.cluster.sessions([shard]), "every shard has connections"
    scene.struck()
    for shard in (0, 1):
        source = await six.primary_of(shard)
        target = next(node for node in await six.primaries() if node is not source)
        assert await six.move(shard, target) > LEAST_KEYS
        await scene.load.everybody_goes_on()
        assert await six.primary_of(shard) is target
    scene.mended()


async def failed_over_in_order(scene: Scene) -> None:
    """``CLUSTER FAILOVER``: the primary takes no writes until its replica has all of them and its place."""
    six, shard = _nodes(scene), scene.cluster.redises.shard
    primary = await six.primary_of(shard)
    replica = await six.replica_of(primary)
    scene.struck()
    await replica.ask("CLUSTER", "FAILOVER")
    await six.until_promoted(shard, primary)
    scene.mended()


async def killed(scene: Scene) -> None:
    """A primary is killed; nobody starts it again before the case is over."""
    six, shard = _nodes(scene), scene.cluster.redises.shard
    primary = await six.primary_of(shard)
    scene.forgot_from_s = asyncio.get_running_loop().time()
    await catch_up(primary, await six.replica_of(primary))
    scene.struck()
    await asyncio.to_thread(primary.process.kill)
    await six.until_promoted(shard, primary)
    scene.mended()


async def killed_and_back(scene: Scene) -> None:
    """A primary is killed, and comes back as a replica while the load goes on."""
    six = _nodes(scene)
    await killed(scene)
    await six.heal()


async def stood_still(scene: Scene) -> None:
    """A primary stands still until its replica has its place, wakes up, and takes itself for the primary for a
    moment."""
    six, shard = _nodes(scene), scene.cluster.redises.shard
    primary = await six.primary_of(shard)
    scene.forgot_from_s = asyncio.get_running_loop().time()
    await catch_up(primary, await six.replica_of(primary))
    scene.struck()
    primary.process.pause()
    await six.until_promoted(shard, primary)
    primary.process.resume()
    await six.heal()
    scene.mended()


_make = partial(Case, within_s=WITHIN_S, from_strike=True)
CLUSTER_CASES: tuple[Case, ...] = (
    _make("slots moved key by key", slots_moved),
    _make("CLUSTER FAILOVER", failed_over_in_order),
    _make("primary SIGKILL and back", killed_and_back, FORGOTTEN),
    _make("primary SIGSTOP until its replica is promoted", stood_still, FORGOTTEN),
    _make("primary SIGKILL", killed, FORGOTTEN),
)
