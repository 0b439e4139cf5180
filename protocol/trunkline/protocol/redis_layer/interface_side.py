"""The interface server's side of the Redis layer.

One link carries calls (publishes, lease, groups), a second one the blocking read of the mailbox. Every batch is kept
until its answer is read; whatever becomes of the connection or of Redis' data, `_recover` brings both sides to the
same view again and sends what is missing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter

import hiredis

from ..errors import LayerUnavailable
from ..layer import InterfaceReceiver, Publication
from ..messages import LeaseInfo
from ..names import GroupName, Keys
from ..settings import LayerSettings
from ..tracks import read_shares
from .anew import Beginnings
from .cluster_link import link_to
from .faults import Survives, keep_doing, tell_fault
from .joining import Joining
from .mailbox_reading import MailboxReading
from .publishing import Publishing
from .recovery import Recovery
from .scripts import SCRIPTS
from .silence import Silence
from .standing import Standing
from .waking import Waking
from .wire import Answer

log = logging.getLogger(__name__)

TICK_S = 0.5
"""Between two renewals of the lease."""


class RedisInterfaceLayer:
    """See `layer.InterfaceLayer`.

    Args:
        settings: where Redis is, capacities and lease times.
        shard: that is there.
    """

    def __init__(self, settings: LayerSettings, shard: int = 0) -> None:
        place = settings.places[shard]
        self._keys = Keys(settings.prefix, shard)
        self._lease_ms = int(settings.interface_lease_s * 1000)
        self._standing = Standing()
        self._waking = Waking(settings.interface_lease_s)
        self._calls = link_to(place, "trunkline-interface", self._recover, self._calls_down)
        self._silence = Silence(self._calls)
        self._publishing = Publishing(
            self._keys, settings.capacity, self._calls, self._standing, self._silence, self._answer_odd
        )
        self._joining = Joining(self._keys, self._calls, self._standing)
        self._mailbox = MailboxReading(place, self._keys, self._standing)
        self._recovery = Recovery(
            self._keys,
            self._lease_ms,
            self._calls,
            self._standing,
            self._publishing,
            self._mailbox,
            self._waking,
            self._joining,
        )
        self._beginnings = Beginnings()
        self._leaving: dict[GroupName, str] = {}
        self._recovering: asyncio.Task[None] | None = None
        self._ticker: asyncio.Task[None] | None = None

    # ---- life ----

    async def open(self, info: LeaseInfo, receiver: InterfaceReceiver) -> None:
        """See `layer.InterfaceLayer.open`."""
        self._standing.begin(info, receiver)
        self._silence.begin(f"interface={info.id}", receiver.away, receiver.back)
        await self._calls.open()
        await self._mailbox.link.open()
        self._ticker = asyncio.create_task(
            keep_doing(self._tick, TICK_S, lambda: self._silence.who, "renew its lease"),
            name="interface lease",
        )

    async def retire(self) -> None:
        """See `layer.InterfaceLayer.retire`."""
        self._end()
        try:
            await self._calls.ask(
                SCRIPTS["retire"].call([self._keys.published()], [self._keys.base, self._standing.id])
            )
        except LayerUnavailable as error:
            log.warning("%s cannot give its lease up, it will run out: %s", self._silence.who, error)

    async def close(self) -> None:
        """See `layer.InterfaceLayer.close`."""
        self._end()
        for task in (self._ticker, self._recovering):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        await self._mailbox.link.close()
        await self._calls.close()

    def _end(self) -> None:
        self._standing.end()
        self._silence.ended = True

    # ---- publishing, groups ----

    def publish(self, publications: list[Publication]) -> int:
        """See `layer.InterfaceLayer.publish`."""
        return self._publishing.publish(publications)

    def join_group(self, group: GroupName, token: str, done: Callable[[], None]) -> None:
        """See `layer.InterfaceLayer.join_group`."""
        self._joining.join(group, token, done)

    def leave_group(self, group: GroupName, token: str) -> None:
        """See `layer.InterfaceLayer.leave_group`."""
        self._joining.forget(group)
        self._leaving[group] = token
        if self._standing.live:
            self._send_leave(group, token)

    def _send_leave(self, group: GroupName, token: str) -> None:
        def left(answer: Answer) -> None:
            if isinstance(answer, int) and self._leaving.get(group) == token:
                del self._leaving[group]

        self._calls.call(
            SCRIPTS["leave_group"].call(
                [self._keys.group(group)], [self._keys.base, self._standing.id, token, group]
            ),
            left,
        )

    def _answer_odd(self, answer: Answer) -> None:
        """An answer that is not about the call but about us: fenced, or data lost (``epoch`` or ``gap``)."""
        if answer[0] == b"fenced":
            self._fenced()
            return
        log.warning("%s Redis lost data (%s), registering again", self._silence.who, answer[0].decode())
        self._start_recovery()

    # ---- lease ----

    def _tick(self) -> None:
        if self._standing.ended:
            return
        self._waking.look()
        if self._standing.live and not self._silence.away:
            self._renew()
            self._joining.send_again()
        self._silence.look(self._mailbox.link)  # behind the renewal, whose wait begins with it
        self._mailbox.look()

    def _renew(self) -> None:
        session, sleeps = self._standing.session, self._waking.look()
        asked_s = perf_counter()
        args: list[str | bytes | int] = [
            self._keys.base, self._standing.id, self._standing.epoch, self._lease_ms, self._mailbox.read_id,
        ]  # fmt: skip
        self._calls.call(
            SCRIPTS["renew"].call([self._keys.epoch], args),
            lambda answer: self._renewed(session, sleeps, asked_s, answer),
        )

    def _renewed(self, session: int, sleeps: int, asked_s: float, answer: Answer) -> None:
        if session != self._standing.session:
            return
        if isinstance(answer, hiredis.ReplyError):
            self._calls.reset(answer)
            return
        if not self._publishing.waiting:
            self._silence.come_back()
        if answer[0] != b"ok":
            self._answer_odd(answer)
            return
        self._waking.survived(sleeps)
        self._standing.receiver.answered(perf_counter() - asked_s)
        self._standing.receiver.share_out(read_shares(answer[4]), answer[3])
        if answer[1] < self._publishing.answered:
            self._answer_odd([b"gap"])
        else:
            for begun in self._beginnings.due(answer[2], self._publishing.answered, self._mailbox.read_id):
                log.warning("%s channel=%s began anew, publishing again", self._silence.who, begun.channel)
                self._standing.receiver.republish(0, begun.up_to, begun.channel)

    def _fenced(self) -> None:
        if self._standing.ended:
            return
        log.error("%s was declared dead and is fenced", self._silence.who)
        self._end()
        with Survives(self._silence.who, "take note that it is fenced"):
            self._standing.receiver.fenced()

    # ---- recovery ----

    def _calls_down(self) -> None:
        self._standing.interrupt()
        self._silence.go_away()

    def _start_recovery(self) -> None:
        self._standing.interrupt()
        self._recovering = asyncio.create_task(self._recover_or_reset(), name="interface recovery")

    async def _recover_or_reset(self) -> None:
        try:
            await self._recover()
        except LayerUnavailable as error:
            self._calls.reset(error)
        except Exception as error:
            # Half recovered it must not go on: the next connection begins anew.
            tell_fault(self._silence.who, "recover what Redis lost", error)
            self._calls.reset("a fault of ours while it recovered")

    async def _recover(self) -> None:
        """Registers, mends what Redis has lost, and sends what has no answer."""
        if self._standing.ended:
            return
        first = not self._standing.epoch
        if not await self._recovery.register():
            self._fenced()
            return
        self._standing.live = True
        if not first:
            self._renew()  # it trims the mailbox, and a full Redis may need that room to take what follows
        self._publishing.send_again()
        for group, token in list(self._leaving.items()):
            self._send_leave(group, token)
        self._joining.send_again()
        self._recovery.republish()
        # With something to send the first answer tells: a full Redis registers us and takes nothing.
        if not self._publishing.waiting:
            self._silence.come_back()
