"""The layers under test. Every layer passes this suite; its tests know nothing of what is behind `layer.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from tests.protocol.layer_harness import Cluster, Sides
from trunkline.protocol.layer import InterfaceLayer, OperatorLayer, WorkerLayer
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.redis_layer import RedisInterfaceLayer, RedisOperatorLayer, RedisWorkerLayer
from trunkline.protocol.settings import LayerSettings


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


MakeSides = Callable[[int], Sides]


@pytest.fixture(params=["memory", "redis"])
def make_sides(request: pytest.FixtureRequest) -> MakeSides:
    """Makes the sides of the layer under test, with streams of this capacity."""
    if request.param == "memory":
        return MemoryBus
    settings: LayerSettings = request.getfixturevalue("layer_settings")
    return lambda capacity: RedisSides(settings.model_copy(update={"capacity": capacity}))


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
