"""What a cluster under test stands on: its Redises, how its processes reach them, and which of them cases strike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.proxy import Proxy
from tests.support.redis_server import Restartable


class Redises(ABC):
    """One kind of them.

    Attributes:
        url: for processes that no proxy stands before.
        shard: that cases strike, and look at.
    """

    url: str
    shard = 0

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
    async def close(self) -> None:
        """Ends them."""
