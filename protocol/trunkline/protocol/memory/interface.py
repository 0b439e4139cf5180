"""The interface server's side of the in-memory layer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..layer import InterfaceLayer, InterfaceReceiver, Publication
from ..messages import LeaseInfo
from ..names import GroupName, InterfaceId
from .mailbox import Mailbox

if TYPE_CHECKING:
    from .bus import MemoryBus


class MemoryInterfaceLayer(InterfaceLayer):
    """Made by `MemoryBus.interface`. Methods act at once, and report in a later loop iteration."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self._id: InterfaceId | None = None
        self._number = 0

    async def open(self, info: LeaseInfo, receiver: InterfaceReceiver) -> None:
        """Enters the interface server in the bus and begins to deliver its mailbox.

        Raises:
            LayerError: another one with this id is open.
        """
        self._loop = asyncio.get_running_loop()
        self._receiver = receiver
        self._bus.registry.open(info, Mailbox(receiver.mailbox, self._loop.call_soon, self._bus.drops))
        self._id = InterfaceId(info.id)

    def publish(self, publications: list[Publication]) -> int:
        """Publishes a batch and returns its number. Before `open` and after the end it stays undecided."""
        self._number += 1
        if self._id is None:
            self._bus.drops["publish_while_closed"] += len(publications)
            return self._number
        refused = self._bus.publish(self._id, publications)
        if refused:
            self._loop.call_soon(self._report_refused, refused)
        return self._number

    def _report_refused(self, refused: list[Publication]) -> None:
        if self._id is not None:
            self._receiver.refused(refused)

    def join_group(self, group: GroupName, token: str, done: Callable[[], None]) -> None:
        """Puts this interface server into the group, unless it is in it."""
        if self._id is not None:
            self._bus.groups.join(group, self._id, token)
            self._loop.call_soon(done)

    def leave_group(self, group: GroupName, token: str) -> None:
        """Takes this interface server out of the group if ``token`` is that of the newest add."""
        if self._id is not None:  # One that is gone is in no group.
            self._bus.groups.leave(group, self._id, token)

    async def retire(self) -> None:
        """Ends the interface server in the bus; nothing is reported any more.

        What it leaves registered is disconnected when all it has published is done.
        """
        if self._id is not None:
            self._bus.retire(self._id)
            self._id = None

    async def close(self) -> None:
        """The same as `retire`: nobody else could notice that it is gone."""
        await self.retire()
