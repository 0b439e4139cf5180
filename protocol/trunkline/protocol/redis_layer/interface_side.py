"""The interface server's side of the Redis layer.

One link carries calls (publishes, lease, groups), a second one the blocking read of the mailbox. Every batch is kept
until its answer is read; whatever becomes of the connection or of Redis' data, `_recover` brings both sides to the
same view again and sends what is missing.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from typing import NamedTuple

import hiredis

from ..codec import decode_mailbox, encode_lease
from ..errors import CodecError, LayerUnavailable
from ..layer import InterfaceReceiver, Publication
from ..messages import LeaseInfo
from ..names import ConnectionId, GroupName, Keys
from ..settings import LayerSettings
from .link import Link
from .scripts import SCRIPTS
from .wire import Answer

log = logging.getLogger(__name__)

TICK_S = 0.5
"""Between two renewals of the lease."""
SILENCE_S = 1.0
"""An unanswered call older than this means that Redis is away."""
GIVE_UP_S = 15.0
"""After so much silence the connection itself is suspected (a machine that vanished sends no reset)."""
READ_COUNT = 200
"""Mailbox entries in one read."""
READ_BLOCK_MS = 5000
READ_LIMIT_S = READ_BLOCK_MS / 1000 + GIVE_UP_S
"""A read without an answer for so long has lost its connection, and nobody was told."""
RESTORE_CHUNK = 500
LAST_BACKOFF_S = 1.0


class _Batch(NamedTuple):
    number: int
    publications: list[Publication]


class RedisInterfaceLayer:
    """See `layer.InterfaceLayer`.

    Args:
        settings: where Redis is, capacities and lease times.
    """

    def __init__(self, settings: LayerSettings) -> None:
        self._keys = Keys(settings.prefix)
        self._capacity = settings.capacity
        self._lease_ms = int(settings.interface_lease_s * 1000)
        self._calls = Link(settings.redis_url, "trunkline-interface", self._calls_up, self._calls_down)
        self._reads = Link(settings.redis_url, "trunkline-mailbox", self._reads_up, self._reads_down)
        self._receiver: InterfaceReceiver
        self._info: LeaseInfo
        self._id = ""
        self._epoch = ""
        self._read_id = "0-0"
        self._read_since_s: float | None = None
        self._next = 1
        self._answered = 0
        self._lost_after: int | None = None  # Redis knows no batch behind this one; until that is mended
        self._unanswered: deque[_Batch] = deque()
        self._leaving: dict[GroupName, str] = {}
        self._session = 0  # rises with every connection and recovery; answers of an older one are void
        self._live = False
        self._away = False
        self._ended = False
        self._oldest_call_s: float | None = None
        self._recovery: asyncio.Task[None] | None = None
        self._ticker: asyncio.Task[None] | None = None

    # ---- life ----

    async def open(self, info: LeaseInfo, receiver: InterfaceReceiver) -> None:
        """See `layer.InterfaceLayer.open`."""
        self._info, self._id, self._receiver = info, info.id, receiver
        await self._calls.open()
        await self._reads.open()
        self._ticker = asyncio.create_task(self._tick(), name="interface lease")

    async def retire(self) -> None:
        """See `layer.InterfaceLayer.retire`."""
        self._end()
        try:
            await self._calls.ask(
                SCRIPTS["retire"].call([self._keys.published()], [self._keys.base, self._id])
            )
        except LayerUnavailable as error:
            log.warning("interface=%s cannot give its lease up, it will run out: %s", self._id, error)

    async def close(self) -> None:
        """See `layer.InterfaceLayer.close`."""
        self._end()
        for task in (self._ticker, self._recovery):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        await self._reads.close()
        await self._calls.close()

    def _end(self) -> None:
        self._ended = True
        self._live = False
        self._session += 1

    # ---- publishing ----

    def publish(self, publications: list[Publication]) -> int:
        """See `layer.InterfaceLayer.publish`."""
        batch = _Batch(self._next, publications)
        self._next += 1
        self._unanswered.append(batch)
        if self._live:
            self._send(batch)
        return batch.number

    def _send(self, batch: _Batch) -> None:
        args: list[str | bytes | int] = [
            self._keys.base, self._id, self._epoch, batch.number, self._answered, self._capacity,
        ]  # fmt: skip
        for channel, body, _, must in batch.publications:
            args += (channel, 1 if must else 0, body)
        session = self._session
        self._note_call()
        self._calls.call(
            SCRIPTS["publish"].call([self._keys.epoch], args),
            lambda answer: self._published(session, batch, answer),
        )

    def _published(self, session: int, batch: _Batch, answer: Answer) -> None:
        if session != self._session:
            return
        if isinstance(answer, hiredis.ReplyError):
            self._calls.reset(answer)
            return
        self._note_answer(back=True)
        if answer == 1:
            self._answer_taken(batch)
        elif isinstance(answer, list) and answer[0] == b"refused":
            self._answer_taken(batch)
            self._receiver.refused([batch.publications[i - 1] for i in answer[1:]])
        else:
            self._answer_odd(answer)

    def _answer_taken(self, batch: _Batch) -> None:
        self._unanswered.popleft()
        self._answered = batch.number

    def _answer_odd(self, answer: Answer) -> None:
        """An answer that is not about the call but about us: fenced, data lost, or an error of Redis."""
        if isinstance(answer, list) and answer[0] == b"fenced":
            self._fenced()
        elif isinstance(answer, list) and answer[0] in (b"epoch", b"gap"):
            log.warning("interface=%s Redis lost data (%s), registering again", self._id, answer[0].decode())
            self._start_recovery()
        else:
            self._calls.reset(answer)

    def leave_group(self, group: GroupName, token: str) -> None:
        """See `layer.InterfaceLayer.leave_group`."""
        self._leaving[group] = token
        if self._live:
            self._send_leave(group, token)

    def _send_leave(self, group: GroupName, token: str) -> None:
        def left(answer: Answer) -> None:
            if isinstance(answer, int) and self._leaving.get(group) == token:
                del self._leaving[group]

        self._calls.call(
            SCRIPTS["leave_group"].call([self._keys.group(group)], [self._keys.base, self._id, token, group]),
            left,
        )

    # ---- lease, and whether Redis answers ----

    async def _tick(self) -> None:
        while not self._ended:
            await asyncio.sleep(TICK_S)
            silence_s = self._silence_s()
            if silence_s > SILENCE_S:
                self._go_away()
            if silence_s > GIVE_UP_S:
                self._calls.reset(f"no answer for {silence_s:.0f} s")
                self._reads.reset("the other link was silent")
            elif self._live and not self._away:
                self._renew()
            if self._read_since_s is not None and self._now_s() - self._read_since_s > READ_LIMIT_S:
                self._reads.reset("no answer to a read, which Redis ends by itself")

    def _renew(self) -> None:
        session = self._session
        args: list[str | bytes | int] = [
            self._keys.base,
            self._id,
            self._epoch,
            self._lease_ms,
            self._read_id,
        ]
        self._note_call()
        self._calls.call(
            SCRIPTS["renew"].call([self._keys.epoch], args), lambda answer: self._renewed(session, answer)
        )

    def _renewed(self, session: int, answer: Answer) -> None:
        if session != self._session:
            return
        if isinstance(answer, hiredis.ReplyError):
            self._calls.reset(answer)
            return
        self._note_answer(back=not self._unanswered)
        if not isinstance(answer, list) or answer[0] != b"ok":
            self._answer_odd(answer)
        elif answer[1] < self._answered:
            self._answer_odd([b"gap"])

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()

    def _silence_s(self) -> float:
        return 0.0 if self._oldest_call_s is None else self._now_s() - self._oldest_call_s

    def _note_call(self) -> None:
        if self._oldest_call_s is None:
            self._oldest_call_s = self._now_s()

    def _note_answer(self, back: bool) -> None:
        # Answers come in order: what still waits was sent after the call just answered, or is a moment older than now.
        self._oldest_call_s = self._now_s() if self._calls.waiting else None
        if back and self._away and self._live:
            self._come_back()

    def _go_away(self) -> None:
        if not self._away and not self._ended:
            self._away = True
            log.warning("interface=%s Redis does not answer", self._id)
            self._receiver.away()

    def _come_back(self) -> None:
        self._away = False
        log.info("interface=%s Redis answers again", self._id)
        self._receiver.back()

    def _fenced(self) -> None:
        if not self._ended:
            log.error("interface=%s was declared dead and is fenced", self._id)
            self._end()
            self._receiver.fenced()

    # ---- recovery ----

    async def _calls_up(self) -> None:
        await self._recover()

    def _calls_down(self) -> None:
        self._live = False
        self._session += 1
        self._oldest_call_s = None
        self._go_away()

    def _start_recovery(self) -> None:
        self._live = False
        self._session += 1
        self._note_call()
        self._recovery = asyncio.create_task(self._recover_or_reset(), name="interface recovery")

    async def _recover_or_reset(self) -> None:
        try:
            await self._recover()
        except LayerUnavailable as error:
            self._calls.reset(error)

    async def _recover(self) -> None:
        """Registers, finds out what Redis has lost, brings that back, and sends what has no answer."""
        if self._ended:
            return
        first = not self._epoch
        answer = await self._calls.ask(
            SCRIPTS["register"].call(
                [self._keys.epoch],
                [
                    self._keys.base, self._id, self._epoch, secrets.token_hex(8), self._lease_ms,
                    encode_lease(self._info),
                ],
            )
        )  # fmt: skip
        if answer[0] == b"fenced":
            self._fenced()
            return
        epoch, known, last_id = answer[1].decode(), answer[2], answer[3].decode()
        if not first and (epoch != self._epoch or known < self._answered):
            # Kept until everything is mended: if the connection breaks meanwhile, the next answer may not say it again.
            self._lost_after = known if self._lost_after is None else min(known, self._lost_after)
        self._epoch = epoch
        # Redis may have fallen back behind what was read here; what it writes from now on comes after its own last id.
        if _stream_id(last_id) < _stream_id(self._read_id):
            self._read_id = last_id
        if self._lost_after is not None:
            await self._restore()
        self._live = True
        self._oldest_call_s = None
        if not first:
            self._renew()  # it trims the mailbox, and a full Redis may need that room to take what follows
        for batch in list(self._unanswered):
            self._send(batch)
        for group, token in list(self._leaving.items()):
            self._send_leave(group, token)
        if self._lost_after is not None:
            lost_after, self._lost_after = self._lost_after, None
            self._receiver.republish(lost_after, self._answered)
        # With something to send the first answer tells: a full Redis registers us and takes nothing.
        if self._away and not self._unanswered:
            self._come_back()

    async def _restore(self) -> None:
        holdings = self._receiver.holdings()
        connections, groups = list(holdings.connections.items()), list(holdings.groups.items())
        for start in range(0, len(connections), RESTORE_CHUNK):
            await self._write_holdings(connections[start : start + RESTORE_CHUNK], [])
        for start in range(0, len(groups), RESTORE_CHUNK):
            await self._write_holdings([], groups[start : start + RESTORE_CHUNK])
        await self._write_holdings([], [], self._answered)

    async def _write_holdings(
        self,
        connections: list[tuple[ConnectionId, bytes]],
        groups: list[tuple[GroupName, str]],
        go_on_after: int | None = None,
    ) -> None:
        go_on = "" if go_on_after is None else go_on_after
        args: list[str | bytes | int] = [self._keys.base, self._id, go_on, len(connections)]
        for connection, body in connections:
            args += (connection, body)
        for group, token in groups:
            args += (group, token)
        if not await self._calls.ask(SCRIPTS["restore"].call([self._keys.registry(self._id)], args)):
            raise LayerUnavailable(f"interface {self._id} lost its registration while it wrote what it holds")

    # ---- mailbox ----

    async def _reads_up(self) -> None:
        self._read()

    def _reads_down(self) -> None:
        self._read_since_s = None

    def _read(self) -> None:
        if self._ended:
            return
        self._read_since_s = self._now_s()
        mailbox = self._keys.mailbox(self._id)
        self._reads.call(
            ["XREAD", "COUNT", READ_COUNT, "BLOCK", READ_BLOCK_MS, "STREAMS", mailbox, self._read_id], self._have_read
        )  # fmt: skip

    def _have_read(self, answer: Answer) -> None:
        if self._ended:
            return
        if isinstance(answer, hiredis.ReplyError):
            self._reads.reset(answer)
            return
        if answer:
            for entry_id, fields in answer[0][1]:
                self._read_id = token = entry_id.decode()
                try:
                    operations = decode_mailbox(fields[1])
                except CodecError as error:
                    log.error("interface=%s mailbox entry %s is garbage, skipped: %s", self._id, token, error)
                else:
                    self._receiver.mailbox(operations, token)
        self._read()


def _stream_id(value: str) -> tuple[int, int]:
    milliseconds, _, number = value.partition("-")
    return int(milliseconds), int(number or 0)
