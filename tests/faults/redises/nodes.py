"""A Redis Cluster of six nodes, which have four shards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from tests.faults.proxy import Proxy
from tests.faults.redises.kind import Heir, Redises
from tests.support.six_nodes import NODE_TIMEOUT_MS, Node, SixNodes
from trunkline.protocol.redis_url import CLUSTER_SHARDS


class Follower(Heir):
    """The replica of the node that cases strike, whose place the nodes give it.

    Args:
        six: the nodes.
        shard: whose node it is.
        primary: that node.
        replica: its replica.
    """

    def __init__(self, six: SixNodes, shard: int, primary: Node, replica: Node) -> None:
        super().__init__(primary, replica)
        self._six = six
        self._shard = shard
        self._before = primary

    async def inherit(self) -> None:
        """See `Heir.inherit`."""
        await asyncio.to_thread(self.primary.process.kill)
        await self._six.until_promoted(self._shard, self._before)


class Nodes(Redises):
    """See `Redises`. Cases strike the primary of the second shard, whichever that is.

    Args:
        places: ends with the cluster.
        binary: the server program.

    Attributes:
        six: the nodes.
    """

    shard = 1

    def __init__(self, places: ExitStack, binary: str) -> None:
        self.six = SixNodes(places, binary)
        self.url = self.six.url
        self._made = False

    async def start(self) -> None:
        """See `Redises.start`."""
        if self._made:
            await self.six.heal()
        else:
            await self.six.start()
            self._made = True

    async def proxies(self) -> tuple[Proxy, ...]:
        """See `Redises.proxies`: one, before every node."""
        return (await Proxy.before_all(self.url, [node.port for node in self.six.nodes]),)

    async def struck(self) -> Node:
        """See `Redises.struck`."""
        return await self.six.primary_of(self.shard)

    async def struck_shards(self) -> list[int]:
        """See `Redises.struck_shards`: the node may have several."""
        node = await self.struck()
        return [shard for shard in range(CLUSTER_SHARDS) if await self.six.primary_of(shard) is node]

    @asynccontextmanager
    async def patience(self) -> AsyncIterator[None]:
        """See `Redises.patience`."""
        await self.six.be_patient()
        yield
        await self.six.heal()
        await self.six.be_patient(NODE_TIMEOUT_MS)

    @asynccontextmanager
    async def heir(self) -> AsyncIterator[Follower]:
        """See `Redises.heir`."""
        primary = await self.struck()
        yield Follower(self.six, self.shard, primary, await self.six.replica_of(primary))

    async def close(self) -> None:
        """See `Redises.close`."""
        await self.six.close()
