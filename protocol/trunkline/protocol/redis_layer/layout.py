"""The layout of a deployment as its shards hold it: agreed on when a process starts, looked at while it runs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from redis.exceptions import RedisError

from ..errors import LayerUnavailable
from ..names import MAX_SHARDS, Keys
from ..redis_layout import BySlot
from ..redis_url import without_secrets
from ..settings import LayerSettings
from ..sharding.layout import Found, Record, agreed
from . import connections
from .plain import was_reset
from .refusals import explained

TIMEOUT_S = 5.0
_HINT = ". Is it running, and is this its address? --redis-url or TRUNKLINE_REDIS_URL say where it is"
_ID, _USED = "id", "used"


class ShardLayout:
    """The record of one shard.

    Args:
        settings: where its Redis is.
        shard: its number.
    """

    def __init__(self, settings: LayerSettings, shard: int) -> None:
        place = settings.places[shard]
        self._url = place.url
        # In a Redis Cluster another shard may be on another node, and none can be in a wrong place.
        self._seen = [shard] if isinstance(place, BySlot) else range(MAX_SHARDS)
        self._prefix = settings.prefix
        self._keys = Keys(settings.prefix, shard)
        self._shard = shard
        self._redis = connections.client(place, "trunkline-layout", TIMEOUT_S)

    async def close(self) -> None:
        """Ends the connection. Idempotent."""
        await self._redis.aclose()

    async def find(self) -> Found:
        """What is there.

        Raises:
            LayerUnavailable: Redis does not answer.
        """
        async with self._redis.pipeline(transaction=False) as pipeline:
            for shard in self._seen:
                pipeline.hgetall(Keys(self._prefix, shard).layout)
            for role in ("interface", "worker"):
                pipeline.zcard(self._keys.leases(role))
            *records, interfaces, workers = await self._ask(pipeline.execute())
        found = {
            shard: _record(fields, shard) for shard, fields in zip(self._seen, records, strict=True) if fields
        }
        return Found(without_secrets(self._url), found, bool(interfaces or workers))

    async def used(self) -> int | None:
        """How many shards newcomers use; None where that is not written (any more).

        Raises:
            LayerUnavailable: Redis does not answer.
        """
        used = await self._ask(self._redis.hget(self._keys.layout, _USED))
        return int(used) if used else None

    async def write(self, record: Record, *, anew: bool = False) -> Record:
        """Writes a record; one that is there stays, unless ``anew``. Gives the one that is there then.

        Raises:
            LayerUnavailable: Redis does not answer.
        """
        key = self._keys.layout
        if anew:
            await self._ask(self._redis.hset(key, mapping={_ID: record.id, _USED: record.used}))
        else:
            await self._ask(self._redis.hsetnx(key, _USED, record.used))
            await self._ask(self._redis.hsetnx(key, _ID, record.id))
        return _record(await self._ask(self._redis.hgetall(key)), self._shard)

    async def _ask(self, answer: Any) -> Any:
        # redis-py types its commands as "awaitable or not", for its synchronous twin.
        try:
            return await answer
        except (RedisError, OSError) as error:
            where = without_secrets(self._url)
            told = explained(error, self._url)
            hint = _HINT if told == str(error) else ""
            raise LayerUnavailable(f"cannot reach Redis at {where}: {told.rstrip('.')}{hint}") from error
        except RuntimeError as error:
            raise await was_reset(self._redis, error) from error


def _record(fields: Mapping[bytes, bytes], shard: int) -> Record:
    layout_id, used = fields.get(_ID.encode(), b""), fields.get(_USED.encode(), b"1")
    return Record(layout_id.decode("utf-8", "replace"), shard, int(used) if used.isdigit() else 1)


class RedisLayout:
    """The records of all shards.

    Args:
        settings: where they are.
    """

    def __init__(self, settings: LayerSettings) -> None:
        self._shards = [ShardLayout(settings, shard) for shard in range(len(settings.places))]

    async def agree(self) -> int:
        """To be called before a process takes its lease: sees to it that every process has the same shards.

        Returns:
            How many of them newcomers use.

        Raises:
            ConfigError: this process was told of other shards than the rest.
            LayerUnavailable: a shard does not answer.
        """
        found = await asyncio.gather(*(shard.find() for shard in self._shards))
        records = agreed(found, secrets.token_hex(8))
        if len(self._shards) == 1:
            return 1  # nothing is written: a deployment of one shard has no record
        # The first decides, if several processes begin a layout at the same time.
        first = await self._shards[0].write(records[0])
        for shard, record in zip(self._shards[1:], records[1:], strict=True):
            await shard.write(record._replace(id=first.id, used=first.used))
        return first.used

    async def used(self) -> int | None:
        """How many shards newcomers use, as the first shard tells that answers; None where that is not written."""
        for shard in self._shards:
            try:
                return await shard.used()
            except LayerUnavailable:
                continue
        return None

    async def use(self, number: int) -> None:
        """Lets newcomers use so many shards.

        Raises:
            LayerUnavailable: a shard does not answer; some may have taken note of it.
        """
        found = await asyncio.gather(*(shard.find() for shard in self._shards))
        for shard, record in zip(self._shards, agreed(found, secrets.token_hex(8)), strict=True):
            await shard.write(record._replace(used=number), anew=True)

    async def close(self) -> None:
        """Ends the connections. Idempotent."""
        await asyncio.gather(*(shard.close() for shard in self._shards))
