"""The sides of the Redis layer as settings name them: of one Redis, or of several that are shards.

With one shard each side is the plain one, and nothing stands between.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial, reduce
from typing import TypeVar

from ..layer import InterfaceLayer, OperatorLayer, WorkerLayer
from ..messages import ClusterStats
from ..process.desired import Load
from ..process.facts.cluster import Inspected
from ..process.scaling import Shared
from ..redis_url import without_secrets
from ..settings import LayerSettings
from ..sharding import ShardedOperatorLayer, ShardedSender, ShardedWorkerLayer, sharded_waits
from ..sharding.asking import COMMAND_S, Answers, ask_each
from ..sharding.waits import Waits
from ..tracks import MAIN
from .interface_side import RedisInterfaceLayer
from .layout import RedisLayout
from .operator_side import RedisOperatorLayer
from .queue_wait import QueueWait
from .sender import RedisSender
from .worker_side import RedisWorkerLayer

T = TypeVar("T")


class RedisShardedOperatorLayer(ShardedOperatorLayer):
    """See `ShardedOperatorLayer`. What processes tell of their load they tell every shard: any may be away later.

    Args:
        layers: as there.
        limit_s: as there.
        places: as there.
    """

    def __init__(self, layers: Sequence[RedisOperatorLayer], limit_s: float, places: Sequence[str]) -> None:
        super().__init__(layers, limit_s, places)
        self._all = dict(enumerate(layers))
        self._answering = self._all

    async def stats(self) -> ClusterStats:
        """See `ShardedOperatorLayer.stats`."""
        found = await super().stats()
        self._answering = {shard: self._all[shard] for shard in found.shards}
        return found

    async def inspect(self, deep: bool = False) -> Inspected:
        """See `process.facts.gatherer.Inspects.inspect`: of every Redis that answered when the shards were last looked
        at. It is many questions, so each has more time for them."""
        answers = await ask_each(self._answering, lambda layer: layer.inspect(deep), COMMAND_S, self._places)
        return Inspected.of(answers.told, answers.away)

    async def report_load(self, identity: str, load: Load) -> None:
        """See `process.scaling.Scales.report_load`."""
        await ask_each(
            self._all, lambda layer: layer.report_load(identity, load), self._limit_s, self._places
        )

    async def shared_loads(self, ids: Sequence[str], channels: Sequence[str]) -> Shared:
        """See `process.scaling.Scales.shared_loads`: as the shards tell that answered when they were last looked at.
        A scrape has no time to wait for one that is away twice."""
        answers = await self._each(lambda layer: layer.shared_loads(ids, channels))
        return reduce(Shared.besides, answers.told.values())

    async def agree(self, found: Mapping[str, int], hold_s: float) -> dict[str, int]:
        """See `process.scaling.Scales.agree`: of the same shards the first decides."""
        answers = await self._each(lambda layer: layer.agree(found, hold_s))
        return answers.told[min(answers.told)]

    async def _each(self, ask: Callable[[RedisOperatorLayer], Awaitable[T]]) -> Answers[T]:
        return await ask_each(self._answering, ask, self._limit_s, self._places)


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


async def agree_with_some(settings: LayerSettings) -> Mapping[int, str]:
    """See `RedisLayout.agree_with_some`; the shards that are away."""
    records = layout(settings)
    try:
        return (await records.agree_with_some())[1]
    finally:
        await records.close()


def interface_layers(settings: LayerSettings) -> list[Callable[[], InterfaceLayer]]:
    """What makes an interface server's side of each shard."""
    return [partial(RedisInterfaceLayer, settings, shard) for shard in range(count(settings))]


def worker_layer(settings: LayerSettings, track: str = MAIN) -> WorkerLayer:
    """The side of a worker that serves a track."""
    make = [partial(RedisWorkerLayer, settings, shard, track) for shard in range(count(settings))]
    return make[0]() if len(make) == 1 else ShardedWorkerLayer(make)


def operator_layer(settings: LayerSettings, limit_s: float = COMMAND_S) -> OperatorLayer:
    """The side of people and their commands.

    Args:
        settings: where the shards are.
        limit_s: of several, seconds after which one that has not answered is away.
    """
    layers = [RedisOperatorLayer(settings, shard) for shard in range(count(settings))]
    return layers[0] if len(layers) == 1 else RedisShardedOperatorLayer(layers, limit_s, places(settings))


def places(settings: LayerSettings) -> list[str]:
    """Where each shard is, for people, without secrets."""
    return [without_secrets(place.url) for place in settings.places]


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
