"""A cluster of real processes over two Redises, each a shard. Cases strike the second."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.faults.cluster import Cluster
from tests.faults.conftest import own_redis
from tests.faults.leaks import leaks
from tests.faults.own_redis import OwnRedis
from tests.faults.proxy import Proxy
from tests.support.processes import Processes
from trunkline.protocol.names import Keys

STRUCK = 1


class TwoRedises(Cluster):
    """See `Cluster`. Each process has a proxy to each Redis.

    Args:
        redises: of the shards.
        folder: for logs.
    """

    def __init__(self, redises: list[OwnRedis], folder: Path) -> None:
        super().__init__(redises[STRUCK], folder)
        self.redises = redises
        url = ",".join(redis.url for redis in redises)
        self.processes = Processes(url, self.prefix, folder, STRUCK)
        self.keys = self.processes.keys

    async def _proxies(self) -> tuple[Proxy, ...]:
        return tuple([await Proxy.start(redis.url) for redis in self.redises])

    def stop_redis(self) -> None:
        """Ends both."""
        for redis in self.redises:
            redis.stop()

    @property
    def _shards(self) -> list[Keys]:
        return [Keys(self.prefix, shard) for shard in range(len(self.redises))]

    async def sessions(self) -> dict[str, int]:
        """See `Cluster.sessions`: on both."""
        found: dict[str, int] = {}
        for shard, keys in enumerate(self._shards):
            found |= await self._sessions(keys, shard)
        return found

    async def leaks(self) -> list[str]:
        """See `Cluster.leaks`: on both."""
        alive = {node.id for node in self.nodes}
        found: list[str] = []
        for shard, keys in enumerate(self._shards):
            async with self.processes.data(shard) as data:
                found += [f"shard {shard}: {leak}" for leak in await leaks(data, keys, alive)]
        return found


def two_redises(places: ExitStack, binary: str, logs: Path) -> Cluster:
    """A cluster over two Redises."""
    return TwoRedises([own_redis(places, binary) for _ in range(2)], logs)
