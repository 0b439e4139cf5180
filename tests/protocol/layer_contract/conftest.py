"""The layers under test. Every layer passes this suite; its tests know nothing of what is behind `layer.py`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import pytest

from tests.protocol.layer_harness import Cluster, Sides
from tests.support import topology
from trunkline.protocol.layer import InterfaceLayer, OperatorLayer, WorkerLayer
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.messages import Delivery, Effect
from trunkline.protocol.redis_layer import RedisInterfaceLayer, RedisOperatorLayer, RedisWorkerLayer
from trunkline.protocol.settings import LayerSettings
from trunkline.protocol.sharding import ShardedOperatorLayer, ShardedWorkerLayer


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


class AtHome(ShardedWorkerLayer):
    """What belongs to no entry goes where the suite's interface servers are.

    Args:
        settings: of the layer.
        shard: where they are.
    """

    def __init__(self, settings: LayerSettings, shard: int) -> None:
        make = [partial(RedisWorkerLayer, settings, each) for each in range(len(settings.places))]
        super().__init__(make, home=lambda connection: shard)
        self._at = shard

    def apply(
        self, effects: Sequence[Effect], done: Callable[[], None], within: Delivery | None = None
    ) -> None:
        self._joined[self._at if within is None else within.shard].apply(effects, done, within)


@dataclass(frozen=True)
class ShardedSides:
    """The same of several shards; the interface servers and their connections live on one."""

    settings: LayerSettings
    shard: int

    def interface(self) -> InterfaceLayer:
        return RedisInterfaceLayer(self.settings, self.shard)

    def worker(self) -> WorkerLayer:
        return AtHome(self.settings, self.shard)

    def operator(self) -> OperatorLayer:
        shards = range(len(self.settings.places))
        return ShardedOperatorLayer([RedisOperatorLayer(self.settings, shard) for shard in shards])


class MakeSides(Protocol):
    """Makes the sides of the layer under test, with streams and a store of dead letters of these capacities."""

    def __call__(self, capacity: int, dead_capacity: int = 10_000) -> Sides: ...


LAYERS = ("memory", "redis", "shards") if topology.chosen() == "one" else ("redis", "shards")
"""The one in memory is the same wherever a Redis is."""


@pytest.fixture(params=LAYERS)
def make_sides(request: pytest.FixtureRequest) -> MakeSides:
    """What makes the sides of the layer under test.

    ``redis``: on one Redis, or on the first shard where the topology has several; ``shards``: on the last of several,
    which are two on one Redis where the topology has no more.
    """
    if request.param == "memory":
        return MemoryBus
    settings: LayerSettings = request.getfixturevalue("layer_settings")

    def redis_sides(capacity: int, dead_capacity: int = 10_000) -> Sides:
        update: dict[str, object] = {"capacity": capacity, "dead_capacity": dead_capacity}
        several = len(settings.places) > 1
        if request.param == "shards" and not several:
            # Not as a user may write it: both on one Redis.
            update["redis_url"] = f"{settings.redis_url},{_another(settings.redis_url)}"
        made = settings.model_copy(update=update)
        if request.param == "shards":
            return ShardedSides(made, len(made.places) - 1)
        return ShardedSides(made, 0) if several else RedisSides(made)

    return redis_sides


def _another(url: str) -> str:
    """The same Redis by another URL."""
    if "db=" in url:
        return re.sub(r"db=(\d+)", lambda found: f"db={int(found[1]) + 1}", url)
    return f"{url}{'&' if '?' in url else '?'}db=0"


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


@pytest.fixture
async def cluster_of_two_letters(make_sides: MakeSides) -> AsyncIterator[Cluster]:
    """A cluster that keeps two dead letters, or about a hundred more where the layer trims in large pieces."""
    cluster = Cluster(make_sides(100_000, 2))
    yield cluster
    await cluster.close()
