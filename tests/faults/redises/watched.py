"""A primary, two replicas, and three Sentinels that watch them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from tests.faults.proxy import Proxy
from tests.faults.redises.kind import Heir, Redises
from tests.support.redis_server import folder
from tests.support.sentinels import DOWN_AFTER_MS, SentinelSet, Server, wait_for

WRITTEN = ("min-replicas-to-write 1", "min-replicas-max-lag 10")
"""What docs/redis.md wants: a primary that was cut off from both replicas takes no writes that will be forgotten."""


class Preferred(Heir):
    """One of two replicas, which Sentinel promotes by its priority though the other has more. For a primary that has
    none which follows takes no writes (`WRITTEN`).

    Args:
        watched: the Redises and the Sentinels.
    """

    def __init__(self, watched: SentinelSet) -> None:
        primary = watched.primary
        replica = next(one for one in watched.redises if one is not primary)
        super().__init__(primary, replica)
        self._set = watched
        replica.ask("CONFIG", "SET", "replica-priority", "1")

    async def inherit(self) -> None:
        """See `Heir.inherit`."""
        await asyncio.to_thread(self.primary.process.kill)
        await asyncio.to_thread(wait_for, self._has_inherited, "the preferred replica is the primary")

    def _has_inherited(self) -> bool:
        primary = self._set.primary
        return primary is self.replica and primary.info()["role"] == "master"


class Watched(Redises):
    """See `Redises`. Cases strike whichever is the primary.

    Args:
        places: ends with the cluster.
        binary: the server program.

    Attributes:
        set: the Redises and the Sentinels.
    """

    def __init__(self, places: ExitStack, binary: str) -> None:
        self.set = SentinelSet(places.enter_context(folder()), binary, redis_lines=WRITTEN)
        self.url = self.set.url

    async def start(self) -> None:
        """See `Redises.start`."""
        await asyncio.to_thread(self._heal)

    def _heal(self) -> None:
        for redis in self.set.redises:
            if redis.process.exit_code is not None:
                redis.restart()
        wait_for(self._whole, "every Redis has its part")

    def _whole(self) -> bool:
        primary = self.set.primary
        info = primary.info()
        others = [one for one in self.set.redises if one is not primary]
        return info["role"] == "master" and all(one.is_replica_of(primary.port) for one in others)

    async def proxies(self) -> tuple[Proxy, ...]:
        """See `Redises.proxies`: one, before Redises and Sentinels."""
        ports = [one.port for one in (*self.set.redises, *self.set.sentinels)]
        return (await Proxy.before_all(self.url, ports),)

    async def struck(self) -> Server:
        """See `Redises.struck`."""
        return await asyncio.to_thread(lambda: self.set.primary)

    @asynccontextmanager
    async def patience(self) -> AsyncIterator[None]:
        """See `Redises.patience`."""
        await asyncio.to_thread(self.set.be_patient)
        yield
        await self.start()
        await asyncio.to_thread(self.set.be_patient, DOWN_AFTER_MS)

    @asynccontextmanager
    async def heir(self) -> AsyncIterator[Preferred]:
        """See `Redises.heir`."""
        yield await asyncio.to_thread(Preferred, self.set)

    async def close(self) -> None:
        """See `Redises.close`."""
        self.set.stop()
