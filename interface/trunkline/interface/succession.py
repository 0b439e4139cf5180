"""The tenures of an interface server, one after the other: when one is fenced, the next begins under a new id."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from trunkline.protocol.errors import LayerError, LayerUnavailable
from trunkline.protocol.layer import InterfaceLayer
from trunkline.protocol.messages import LeaseInfo
from trunkline.protocol.process.lease import lease_info

from .shard import Shard
from .shared import Shared
from .tenure import Tenure
from .watched import begin_tenure

log = logging.getLogger(__name__)

LayerFactory = Callable[[], InterfaceLayer]
"""Makes a layer that is not opened yet."""

MIN_REOPEN_S: Final = 0.1
MAX_REOPEN_S: Final = 2.0
FENCED: Final = "fenced, starting over"
RETIRE_S: Final = 2.0
"""How long a shard that did not fence may take to note that its lease is given up. It runs out by itself, too."""


class Succession:
    """Holds the present tenure.

    Args:
        shared: what outlives each of them.
        layer_factories: one a shard, in the order of their numbers; called again for each tenure.
        admin: ``host:port`` of the admin server, for others to find it.
        addresses: where the server listens.

    Attributes:
        tenure: the present one; None before the first, and between a fencing and the next.
    """

    __slots__ = ("_addresses", "_admin", "_ended", "_layer_factories", "_shared", "tenure")

    def __init__(
        self, shared: Shared, layer_factories: Sequence[LayerFactory], admin: str, addresses: list[str]
    ) -> None:
        self._shared = shared
        self._layer_factories = tuple(layer_factories)
        self._admin = admin
        self._addresses = addresses
        self._ended: asyncio.Queue[Tenure] = asyncio.Queue()
        self.tenure: Tenure | None = None

    async def begin(self) -> None:
        """Opens the layers and begins a tenure.

        Raises:
            LayerError: a layer cannot be opened.
        """
        tenure = begin_tenure(self._shared, [make() for make in self._layer_factories], self._fenced)
        info = lease_info(tenure.id, "interface", self._admin, ",".join(self._addresses))
        try:
            for shard in tenure.shards:
                await _open(shard, info)
        except BaseException:  # also when cancelled: a layer that is half open has connections
            await leave(tenure)
            raise
        self.tenure = tenure

    def _fenced(self, tenure: Tenure) -> None:
        log.warning("fenced, closing all sockets and starting over interface=%s", tenure.id)
        self.tenure = None
        tenure.end()
        # Not within the layer's own call: it may be in the middle of something.
        self._ended.put_nowait(tenure)

    async def follow(self) -> None:
        """Follows every tenure that was fenced by another; a background loop."""
        while True:
            old = await self._ended.get()
            await leave(old)
            wait_s = MIN_REOPEN_S
            while self.tenure is None:
                try:
                    await self.begin()
                except LayerError as error:
                    log.warning("cannot start over yet: %s", error)
                    await asyncio.sleep(wait_s)
                    wait_s = min(MAX_REOPEN_S, wait_s * 2)
            log.info("started over interface=%s", self.tenure.id)


async def _open(shard: Shard, info: LeaseInfo) -> None:
    try:
        await shard.layer.open(info, shard)
    except LayerUnavailable as error:
        if len(shard.tenure.shards) == 1:
            raise
        raise LayerUnavailable(f"shard {shard.number}: {error}") from error
    shard.up = True


async def leave(tenure: Tenure) -> None:
    """Ends a tenure's layers. Of several, each is given up in order where it was not fenced: what it leaves there is
    the reaper's at once."""
    if len(tenure.shards) > 1:
        await retire(tenure, RETIRE_S)
    for shard in tenure.shards:
        await shard.layer.close()


async def retire(tenure: Tenure, within_s: float) -> None:
    """Gives the lease up on every shard, each by itself."""

    async def one(shard: Shard) -> None:
        try:
            async with asyncio.timeout(within_s):
                await shard.layer.retire()
        except (LayerError, TimeoutError) as error:
            log.warning(
                "could not give the lease up on shard=%d; it runs out by itself: %s",
                shard.number,
                error or "no answer",
            )

    await asyncio.gather(*(one(shard) for shard in tenure.shards))
