"""The sides of the Redis layer as settings name them: of one Redis, or of several that are shards.

With one shard each side is the plain one, and nothing stands between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ..layer import InterfaceLayer, OperatorLayer, WorkerLayer
from ..process.desired import Load
from ..process.facts.cluster import Inspected
from ..process.scaling import Shared
from ..settings import LayerSettings
from ..sharding import ShardedOperatorLayer, ShardedSender, ShardedWorkerLayer, sharded_waits
from ..sharding.waits import Waits
from ..tracks import MAIN
from .interface_side import RedisInterfaceLayer
from .layout import RedisLayout
from .operator_side import RedisOperatorLayer
from .queue_wait import QueueWait
from .sender import RedisSender
from .worker_side import RedisWorkerLayer


class RedisShardedOperatorLayer(ShardedOperatorLayer):
    """See `ShardedOperatorLayer`. What processes tell of their load is on the first shard."""

    def __init__(self, layers: Sequence[RedisOperatorLayer]) -> None:
        super().__init__(layers)
        self._first, self._all = layers[0], layers

    async def inspect(self, deep: bool = False) -> Inspected:
        """See `process.facts.gatherer.Inspects.inspect`: of every Redis; of mailboxes those of the first shard."""
        first, *others = [await layer.inspect(deep) for layer in self._all]
        waits_s = dict(first.waits_s)
        for one in others:
            waits_s |= {name: max(wait_s, waits_s.get(name, 0.0)) for name, wait_s in one.waits_s.items()}
        servers = [server for one in (first, *others) for server in one.servers]
        return replace(first, servers=tuple(servers), waits_s=waits_s)

    async def report_load(self, identity: str, load: Load) -> None:
        """See `process.scaling.Scales.report_load`."""
        await self._first.report_load(identity, load)

    async def shared_loads(self, ids: Sequence[str], channels: Sequence[str]) -> Shared:
        """See `process.scaling.Scales.shared_loads`."""
        return await self._first.shared_loads(ids, channels)

    async def agree(self, found: Mapping[str, int], hold_s: float) -> dict[str, int]:
        """See `process.scaling.Scales.agree`."""
        return await self._first.agree(found, hold_s)


def count(settings: LayerSettings) -> int:
    """How many shards there are."""
    return len(settings.places)


def layout(settings: LayerSettings) -> RedisLayout:
    """The records by which all processes agree on the shards."""
    return RedisLayout(settings)


async def agree(settings: LayerSettings) -> None:
    """See `RedisLayout.agree`."""
    records = layout(settings)
    try:
        await records.agree()
    finally:
        await records.close()


def interface_layers(settings: LayerSettings) -> list[Callable[[], InterfaceLayer]]:
    """What makes an interface server's side of each shard."""
    return [partial(RedisInterfaceLayer, settings, shard) for shard in range(count(settings))]


def worker_layer(settings: LayerSettings, track: str = MAIN) -> WorkerLayer:
    """The side of a worker that serves a track."""
    layers = [RedisWorkerLayer(settings, shard, track) for shard in range(count(settings))]
    return layers[0] if len(layers) == 1 else ShardedWorkerLayer(layers)


def operator_layer(settings: LayerSettings) -> OperatorLayer:
    """The side of people and their commands."""
    layers = [RedisOperatorLayer(settings, shard) for shard in range(count(settings))]
    return layers[0] if len(layers) == 1 else RedisShardedOperatorLayer(layers)


def sender(settings: LayerSettings) -> RedisSender | ShardedSender:
    """What sends from outside any handler."""
    senders = [RedisSender(settings, shard) for shard in range(count(settings))]
    return senders[0] if len(senders) == 1 else ShardedSender(senders)


class QueueWaits:
    """How long entries wait, over all shards.

    Args:
        settings: where they are.
    """

    def __init__(self, settings: LayerSettings) -> None:
        self._queues: Sequence[QueueWait] = [QueueWait(settings, shard) for shard in range(count(settings))]
        self.waits_s: Waits = (
            self._queues[0].waits_s
            if len(self._queues) == 1
            else sharded_waits([queue.waits_s for queue in self._queues])
        )

    async def close(self) -> None:
        """Ends the connections. Idempotent."""
        for queue in self._queues:
            await queue.close()
