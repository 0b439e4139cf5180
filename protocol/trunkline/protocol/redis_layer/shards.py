"""The sides of the Redis layer as settings name them: of one Redis, or of several that are shards.

With one shard each side is the plain one, and nothing stands between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ..layer import InterfaceLayer, OperatorLayer, WorkerLayer
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
    return layers[0] if len(layers) == 1 else ShardedOperatorLayer(layers)


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
