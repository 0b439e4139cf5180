"""The tenures of an interface server, one after the other: when one is fenced, the next begins under a new id."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from trunkline.protocol.errors import LayerError
from trunkline.protocol.layer import InterfaceLayer
from trunkline.protocol.process.lease import lease_info

from .shared import Shared
from .tenure import Tenure
from .watched import begin_tenure

log = logging.getLogger(__name__)

LayerFactory = Callable[[], InterfaceLayer]

MIN_REOPEN_S: Final = 0.1
MAX_REOPEN_S: Final = 2.0
FENCED: Final = "fenced, starting over"


class Succession:
    """Holds the present tenure.

    Args:
        shared: what outlives each of them.
        layer_factory: makes a layer that is not opened yet; called again for each tenure.
        admin: ``host:port`` of the admin server, for others to find it.
        addresses: where the server listens.

    Attributes:
        tenure: the present one; None before the first, and between a fencing and the next.
    """

    __slots__ = ("_addresses", "_admin", "_ended", "_layer_factory", "_shared", "tenure")

    def __init__(self, shared: Shared, layer_factory: LayerFactory, admin: str, addresses: list[str]) -> None:
        self._shared = shared
        self._layer_factory = layer_factory
        self._admin = admin
        self._addresses = addresses
        self._ended: asyncio.Queue[Tenure] = asyncio.Queue()
        self.tenure: Tenure | None = None

    async def begin(self) -> None:
        """Opens a layer and begins a tenure.

        Raises:
            LayerError: the layer cannot be opened.
        """
        tenure = begin_tenure(self._shared, self._layer_factory(), self._fenced)
        info = lease_info(tenure.id, "interface", self._admin, ",".join(self._addresses))
        try:
            await tenure.layer.open(info, tenure)
        except BaseException:  # also when cancelled: a layer that is half open has connections
            await tenure.layer.close()
            raise
        tenure.up = True
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
            await old.layer.close()
            wait_s = MIN_REOPEN_S
            while self.tenure is None:
                try:
                    await self.begin()
                except LayerError as error:
                    log.warning("cannot start over yet: %s", error)
                    await asyncio.sleep(wait_s)
                    wait_s = min(MAX_REOPEN_S, wait_s * 2)
            log.info("started over interface=%s", self.tenure.id)
