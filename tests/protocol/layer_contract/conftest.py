"""The layers under test. Every layer passes this suite; its tests know nothing of what is behind `layer.py`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import pytest

from tests.protocol.layer_harness import Cluster, Sides
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


class OnTheSecond(ShardedWorkerLayer):
    """What belongs to no entry goes where the suite's interface servers are."""

    def apply(
        self, effects: Sequence[Effect], done: Callable[[], None], within: Delivery | None = None
    ) -> None:
        self._joined[1 if within is None else within.shard].apply(effects, done, within)


@dataclass(frozen=True)
class ShardedSides:
    """The same of two shards, on one Redis; the interface servers and their connections live on the second."""

    settings: LayerSettings

    def interface(self) -> InterfaceLayer:
        return RedisInterfaceLayer(self.settings, 1)

    def worker(self) -> WorkerLayer:
        make = [partial(RedisWorkerLayer, self.settings, shard) for shard in range(2)]
        return OnTheSecond(make, home=lambda connection: 1)

    def operator(self) -> OperatorLayer:
        return ShardedOperatorLayer([RedisOperatorLayer(self.settings, shard) for shard in range(2)])


class MakeSides(Protocol):
    """Makes the sides of the layer under test, with streams and a store of dead letters of these capacities."""

    def __call__(self, capacity: int, dead_capacity: int = 10_000) -> Sides: ...


@pytest.fixture(params=["memory", "redis", "two shards"])
def make_sides(request: pytest.FixtureRequest) -> MakeSides:
    """What makes the sides of the layer under test."""
    if request.param == "memory":
        return MemoryBus
    settings: LayerSettings = request.getfixturevalue("layer_settings")

    def redis_sides(capacity: int, dead_capacity: int = 10_000) -> Sides:
        update: dict[str, object] = {"capacity": capacity, "dead_capacity": dead_capacity}
        if request.param == "two shards":
            # Not as a user may write it: both on one Redis.
            update["redis_url"] = f"{settings.redis_url},{_another(settings.redis_url)}"
            return ShardedSides(settings.model_copy(update=update))
        return RedisSides(settings.model_copy(update=update))

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
