"""What a cluster under test stands on: its Redises, how its processes reach them, and which of them cases strike."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tests.faults.proxy import Proxy
from tests.faults.waits import ONE_REDIS, SEVERAL, Waits
from tests.support.redis_server import Restartable
from tests.support.waiting import until

CATCH_UP_S = 30.0
"""How long a replica may take to have what its primary has: on a busy machine it may be far behind by itself."""


async def catch_up(primary: Restartable, replica: Restartable) -> None:
    """Waits until a replica has all that was written by now."""
    goal = await asyncio.to_thread(primary.offset)

    async def has_all() -> bool:
        return await asyncio.to_thread(replica.offset) >= goal

    await until(has_all, CATCH_UP_S, "the replica is not left behind")


class Heir(ABC):
    """A replica that will have the place of the Redis that cases strike.

    Attributes:
        primary: that Redis.
        replica: which copies it.
    """

    def __init__(self, primary: Restartable, replica: Restartable) -> None:
        self.primary = primary
        self.replica = replica

    async def lacks_bytes(self) -> int:
        """How much of the stream of writes has not reached it."""
        return await asyncio.to_thread(lambda: self.primary.offset() - self.replica.offset())

    async def hold_up(self) -> None:
        """What is written from now on does not reach it."""
        await asyncio.to_thread(self.replica.hear_nothing)

    @abstractmethod
    async def inherit(self) -> None:
        """Kills the primary; returns when the replica has its place."""


class Redises(ABC):
    """One kind of them.

    Attributes:
        url: for processes that no proxy stands before.
        shard: that cases strike, and look at.
        alone: it is one Redis, and no other ever takes its place.
    """

    url: str
    shard = 0
    alone = False

    @property
    def waits(self) -> Waits:
        """How long the suite waits on them."""
        return ONE_REDIS if self.alone else SEVERAL

    @abstractmethod
    async def start(self) -> None:
        """Starts those that do not run; returns when all are whole."""

    @abstractmethod
    async def proxies(self) -> tuple[Proxy, ...]:
        """Those of a new process; cases strike at the last."""

    @abstractmethod
    async def struck(self) -> Restartable:
        """The Redis that cases strike, as it is now."""

    async def struck_shards(self) -> list[int]:
        """The shards that are on it."""
        return [self.shard]

    @asynccontextmanager
    async def patience(self) -> AsyncIterator[None]:
        """Within, a Redis that is away for seconds is not replaced: it is this one that comes back. Ends when all are
        whole."""
        yield

    @abstractmethod
    def heir(self) -> AbstractAsyncContextManager[Heir]:
        """A replica that can be held up; the cluster is of no more use behind it."""

    @abstractmethod
    async def close(self) -> None:
        """Ends them."""
