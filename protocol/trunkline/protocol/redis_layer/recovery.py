"""Recovery: what an interface server does on a new connection, and when Redis has lost data, to hold one view with it.

It registers, finds out what Redis has lost, writes that again, and goes on. Whatever cuts it off, the next one begins
anew and forgets nothing.
"""

from __future__ import annotations

import secrets

from ..codec import encode_lease
from ..errors import LayerUnavailable
from ..names import ConnectionId, GroupName, Keys
from .joining import Joining
from .link import Link
from .mailbox_reading import MailboxReading
from .publishing import Publishing
from .scripts import SCRIPTS
from .standing import Standing
from .waking import Waking

RESTORE_CHUNK = 500
"""Connections or groups in one call."""


class Recovery:
    """Brings an interface server and Redis to the same view.

    Args:
        keys: of the shard.
        lease_ms: how long a lease lasts.
        link: for calls.
        standing: of the interface.
        publishing: tells what was answered.
        mailbox: falls back with Redis.
        waking: tells whether this interface was asleep.
        joining: groups that it has entered by itself.
    """

    __slots__ = (
        "_joining",
        "_keys",
        "_lease_ms",
        "_link",
        "_lost_after",
        "_mailbox",
        "_mark",
        "_publishing",
        "_standing",
        "_waking",
    )

    def __init__(
        self,
        keys: Keys,
        lease_ms: int,
        link: Link,
        standing: Standing,
        publishing: Publishing,
        mailbox: MailboxReading,
        waking: Waking,
        joining: Joining,
    ) -> None:
        self._keys = keys
        self._lease_ms = lease_ms
        self._link = link
        self._standing = standing
        self._publishing = publishing
        self._mailbox = mailbox
        self._waking = waking
        self._joining = joining
        self._mark = ""
        self._lost_after: int | None = None  # Redis knows no batch behind this one; until that is mended

    async def register(self) -> bool:
        """Registers, and writes again what Redis has lost; False if this interface was declared dead.

        Raises:
            LayerUnavailable: the connection was lost, or Redis refuses. Cancelling leaves what the next one mends.
        """
        standing = self._standing
        first = not standing.epoch
        before = self._mailbox.mark, self._mailbox.read_id
        sleeps, slept = self._waking.look(), self._waking.slept
        answer = await self._link.ask(
            SCRIPTS["register"].call(
                [self._keys.epoch],
                [
                    self._keys.base, standing.id, standing.epoch, secrets.token_hex(8), self._lease_ms,
                    encode_lease(standing.info), int(slept and not first),
                ],
            )
        )  # fmt: skip
        if answer[0] == b"fenced":
            return False
        self._waking.survived(sleeps)
        epoch, known, last_id = answer[1].decode(), answer[2], answer[3].decode()
        if not first and (epoch != standing.epoch or known < self._publishing.answered):
            # Kept until everything is mended: if the connection breaks meanwhile, the next answer may not say it again.
            self._lost_after = known if self._lost_after is None else min(known, self._lost_after)
        standing.epoch = epoch
        self._mailbox.fall_back(answer[4].decode(), last_id, *before)
        mark = answer[4].decode()
        if self._lost_after is not None:
            await self._restore()
        elif mark != self._mark and not first and self._joining.used:
            # What was forgotten of groups that it has entered by itself shows in no number of a batch.
            await self._restore_groups(self._standing.receiver.holdings().groups)
        self._mark = mark
        return True

    def republish(self) -> None:
        """Has the interface publish again what was lost."""
        if self._lost_after is not None:
            self._standing.receiver.republish(self._lost_after, self._publishing.answered)
            self._lost_after = None

    async def _restore(self) -> None:
        holdings = self._standing.receiver.holdings()
        connections = list(holdings.connections.items())
        for start in range(0, len(connections), RESTORE_CHUNK):
            await self._write(connections[start : start + RESTORE_CHUNK], [])
        await self._restore_groups(holdings.groups)
        await self._write([], [], self._publishing.answered)

    async def _restore_groups(self, tokens: dict[GroupName, str]) -> None:
        groups = list(tokens.items())
        for start in range(0, len(groups), RESTORE_CHUNK):
            await self._write([], groups[start : start + RESTORE_CHUNK])

    async def _write(
        self,
        connections: list[tuple[ConnectionId, bytes]],
        groups: list[tuple[GroupName, str]],
        go_on_after: int | None = None,
    ) -> None:
        me = self._standing.id
        go_on = "" if go_on_after is None else go_on_after
        args: list[str | bytes | int] = [self._keys.base, me, go_on, len(connections)]
        for connection, body in connections:
            args += (connection, body)
        for group, token in groups:
            args += (group, token)
        if not await self._link.ask(SCRIPTS["restore"].call([self._keys.registry(me)], args)):
            raise LayerUnavailable(f"interface {me} lost its registration while it wrote what it holds")
