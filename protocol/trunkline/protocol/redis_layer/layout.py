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
from ..sharding.asking import ask_each, said
from ..sharding.layout import Found, Record, agreed
from . import connections
from .plain import was_reset
from .refusals import explained

TIMEOUT_S = 5.0
_HINT = ". Is it running, and is this its address? --redis-url or TRUNKLINE_REDIS_URL say where it is"
LIMIT_S = 3.0
"""How long the start of a process waits for a shard of several."""
_ID, _USED = "id", "used"


class ShardLayout:
    """The record of one shard.

    Args:
        settings: where its Redis is.
        shard: its number.

    Attributes:
        where: for people, without secrets.
    """

    def __init__(self, settings: LayerSettings, shard: int) -> None:
        place = settings.places[shard]
        self._url = place.url
        self.where = without_secrets(place.url)
        # In a Redis Cluster another shard may be on another node, and none can be in a wrong place.
        self._seen = [shard] if isinstance(place, BySlot) else range(MAX_SHARDS)
        self._prefix = settings.prefix
        self._keys = Keys(settings.prefix, shard)
        self._shard = shard
        alone = len(settings.places) == 1
        self._redis = connections.client(place, "trunkline-layout", TIMEOUT_S, patient=alone)

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
        # One that another process is just writing has no id yet (see `write`), and tells nothing.
        found = {
            shard: _record(fields, shard)
            for shard, fields in zip(self._seen, records, strict=True)
            if fields.get(_ID.encode())
        }
        return Found(self.where, found, bool(interfaces or workers))

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

    async def alive(self) -> bool:
        """Whether a process holds a lease here that has not ended.

        Raises:
            LayerUnavailable: Redis does not answer.
        """
        seconds, _ = await self._ask(self._redis.time())
        async with self._redis.pipeline(transaction=False) as pipeline:
            for role in ("interface", "worker"):
                pipeline.zrangebyscore(self._keys.leases(role), seconds * 1000, "+inf")
            return any(await self._ask(pipeline.execute()))

    async def unburied(self) -> int:
        """How many interface servers have connections registered here that ended with them, or will: disconnects of
        theirs are to be published.

        Raises:
            LayerUnavailable: Redis does not answer.
        """
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zrange(self._keys.leases("interface"), 0, -1)
            pipeline.zrange(self._keys.reaping, 0, -1)
            ended, reaped = await self._ask(pipeline.execute())
        names = {name.decode() for name in (*ended, *reaped)}
        return sum([await self._ask(self._redis.exists(self._keys.registry(name))) for name in names])

    async def forget(self) -> None:
        """Takes the record away: this is no shard of the deployment any more.

        Raises:
            LayerUnavailable: Redis does not answer.
        """
        await self._ask(self._redis.hdel(self._keys.layout, _ID, _USED))

    async def _ask(self, answer: Any) -> Any:
        # redis-py types its commands as "awaitable or not", for its synchronous twin.
        try:
            return await answer
        except (RedisError, OSError) as error:
            told = explained(error, self._url)
            hint = _HINT if told == str(error) else ""
            raise LayerUnavailable(f"cannot reach Redis at {self.where}: {told.rstrip('.')}{hint}") from error
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
        used, away = await self.agree_with_some()
        if away:
            raise LayerUnavailable(said(away))
        return used

    async def agree_with_some(self) -> tuple[int, Mapping[int, str]]:
        """As `agree`, of those shards that answer. Any of them knows how many there are and how many newcomers use, and
        the others must be agreed with before this process takes a lease there.

        Returns:
            How many newcomers use, and the shards that are away, each with the reason.

        Raises:
            ConfigError: this process was told of other shards than the rest.
            LayerUnavailable: none answers, or none of those that do has a record.
        """
        found, away = await self._find()
        records = agreed(found, secrets.token_hex(8))
        if len(self._shards) == 1:
            return 1, {}  # nothing is written: a deployment of one shard has no record
        answering = [shard for shard in range(len(found)) if shard not in away]
        # The first decides, if several processes begin a layout at the same time.
        first = await self._shards[answering[0]].write(records[answering[0]])
        for shard in answering[1:]:
            await self._shards[shard].write(records[shard]._replace(id=first.id, used=first.used))
        return first.used, away

    async def _find(self) -> tuple[list[Found], Mapping[int, str]]:
        places = [shard.where for shard in self._shards]
        answers = await ask_each(dict(enumerate(self._shards)), lambda shard: shard.find(), LIMIT_S, places)
        found = [
            answers.told.get(shard) or Found(where, away=answers.away[shard])
            for shard, where in enumerate(places)
        ]
        return found, answers.away

    async def used(self) -> int | None:
        """How many shards newcomers use, as the first shard tells that answers; None where that is not written."""
        for shard in self._shards:
            try:
                return await shard.used()
            except LayerUnavailable:
                continue
        return None

    async def alive(self) -> bool:
        """Whether any process holds a lease on any shard that has not ended.

        Raises:
            LayerUnavailable: a shard does not answer.
        """
        return any([await shard.alive() for shard in self._shards])

    async def unburied(self) -> list[int]:
        """See `ShardLayout.unburied`, of each."""
        return [await shard.unburied() for shard in self._shards]

    async def forget(self, behind: int) -> None:
        """Takes the record from all shards but the first so many."""
        for shard in self._shards[behind:]:
            await shard.forget()

    async def use(self, number: int) -> None:
        """Lets newcomers use so many shards.

        Raises:
            LayerUnavailable: a shard does not answer; some may have taken note of it.
        """
        found, away = await self._find()
        if away:
            raise LayerUnavailable(said(away))
        for shard, record in zip(self._shards, agreed(found, secrets.token_hex(8)), strict=True):
            await shard.write(record._replace(used=number), anew=True)

    async def close(self) -> None:
        """Ends the connections. Idempotent."""
        await asyncio.gather(*(shard.close() for shard in self._shards))
