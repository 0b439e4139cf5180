"""One Redis, and two that are shards: each process has a proxy to each, and names them itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager

from tests.faults.own_redis import OwnRedis, Replica
from tests.faults.proxy import Proxy
from tests.faults.redises.kind import Redises
from tests.support.redis_server import folder


def own_redis(places: ExitStack, binary: str) -> OwnRedis:
    """A Redis that answers, with a folder of its own."""
    redis = OwnRedis(places.enter_context(folder()), binary)
    redis.wait_until_it_answers()
    return redis


class Direct(Redises):
    """See `Redises`. Cases strike the last.

    Args:
        redises: of the shards.
        binary: the server program.
    """

    def __init__(self, redises: Sequence[OwnRedis], binary: str) -> None:
        self._binary = binary
        self._redises = redises
        self.shard = len(redises) - 1
        self.alone = len(redises) == 1
        self.url = ",".join(redis.url for redis in redises)

    async def start(self) -> None:
        """See `Redises.start`."""
        for redis in self._redises:
            if redis.process.exit_code is not None:
                await asyncio.to_thread(redis.restart)

    async def proxies(self) -> tuple[Proxy, ...]:
        """See `Redises.proxies`."""
        return tuple([await Proxy.start(redis.url) for redis in self._redises])

    async def struck(self) -> OwnRedis:
        """See `Redises.struck`; it may be replaced by its replica."""
        return self._redises[self.shard]

    @asynccontextmanager
    async def heir(self) -> AsyncIterator[Replica]:
        """See `Redises.heir`: there is none but for this. Its socket and files are used until the cluster ends; the
        folder's may go, as nothing is written there any more."""
        with folder() as place:
            replica = Replica(self._redises[self.shard], place, self._binary)
            await replica.follow()
            yield replica

    async def close(self) -> None:
        """See `Redises.close`."""
        for redis in self._redises:
            redis.stop()


def one(places: ExitStack, binary: str) -> Redises:
    """One Redis."""
    return Direct([own_redis(places, binary)], binary)


def two(places: ExitStack, binary: str) -> Redises:
    """Two shards."""
    return Direct([own_redis(places, binary) for _ in range(2)], binary)
