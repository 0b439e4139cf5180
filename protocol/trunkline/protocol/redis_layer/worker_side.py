"""The worker's side of the Redis layer.

One link blocks in XREADGROUP, a second one carries commits, sessions and take-overs, a thread keeps the lease. A
commit is kept until its answer is read and sent again over a new connection: the acknowledgement decides, so the second
time it changes nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import hiredis

from ..codec import VERSION
from ..errors import LayerUnavailable
from ..layer import WorkerReceiver
from ..messages import Delivery, Effect, LeaseInfo, Outcome
from ..names import ChannelName, ConnectionId, Keys
from ..settings import LayerSettings
from .commit_call import Arg, commit_args, flatten
from .lease_thread import Heartbeat, LeaseThread
from .link import Link
from .scripts import SCRIPTS
from .wire import Answer

log = logging.getLogger(__name__)

READ_BLOCK_MS = 2000
HELD_COUNT = 10_000
CLAIM_COUNT = 16
SESSION_TTL_MS = 24 * 3600 * 1000
"""Life time of a session that no registered connection owns."""
SILENCE_S = 1.0
GIVE_UP_S = 15.0
WATCH_S = 0.5
READ_LIMIT_S = READ_BLOCK_MS / 1000 + GIVE_UP_S
"""A read without an answer for so long has lost its connection, and nobody was told."""
LEAVE_S = 2.0
"""How long a worker that ends waits for Redis to take note."""


class _Call(NamedTuple):
    command: list[Arg]
    done: Callable[[Answer], None]


class RedisWorkerLayer:
    """See `layer.WorkerLayer`.

    Args:
        settings: where Redis is, capacities and lease times.
    """

    def __init__(self, settings: LayerSettings) -> None:
        self._settings = settings
        self._keys = Keys(settings.prefix)
        self._calls = Link(settings.redis_url, "trunkline-worker", self._calls_up, self._calls_down)
        self._reads = Link(settings.redis_url, "trunkline-reader", self._reads_up, self._reads_down)
        self._info: LeaseInfo
        self._receiver: WorkerReceiver
        self._channels: list[ChannelName] = []
        self._lease: LeaseThread
        self._loop: asyncio.AbstractEventLoop
        self._wanted = 0  # entries a read asks for; 0 when nobody waits for one
        self._reading = False
        self._reader_id = 0  # Redis' number of the reading connection, for CLIENT UNBLOCK
        self._old_reader_id = 0  # of the connection before
        self._read_since_s: float | None = None
        self._held: set[tuple[str, str]] = set()  # (channel, id) handed to the worker and not committed
        self._giving: set[tuple[str, str]] = set()  # being handed back
        self._waiting: dict[int, _Call] = {}  # calls without an answer, sent again on a new connection
        self._numbers = itertools.count(1)
        self._clock_ms = 0.0  # Redis' clock less our monotonic one
        self._claiming = False
        self._claimable = False  # there may be more to take over
        self._claim_next = False  # as soon as the read that waits is back
        self._away = False
        self._ended = False
        self._silent_since_s: float | None = None
        self._watcher: asyncio.Task[None] | None = None

    # ---- life ----

    async def open(self, info: LeaseInfo, channels: Sequence[ChannelName], receiver: WorkerReceiver) -> None:
        """See `layer.WorkerLayer.open`."""
        self._info, self._channels, self._receiver = info, list(channels), receiver
        self._loop = asyncio.get_running_loop()
        self._lease = LeaseThread(self._settings, info, self._heartbeat_from_thread)
        self._heartbeat(await asyncio.to_thread(self._lease.first))
        await self._calls.open()
        await self._reads.open()
        self._lease.start()
        self._watcher = asyncio.create_task(self._watch(), name="worker watches Redis")

    async def close(self) -> None:
        """See `layer.WorkerLayer.close`."""
        if self._ended:
            return
        self._ended = True
        if self._watcher is not None:
            self._watcher.cancel()
        await asyncio.to_thread(self._lease.stop)
        await self._reads.close()
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._calls.ask(
                    SCRIPTS["leave"].call(
                        [self._keys.leases("worker")],
                        [self._keys.base, self._info.id, self._keys.consumer_group],
                    )
                )
        except (LayerUnavailable, TimeoutError) as error:
            reason = str(error) or f"no answer for {LEAVE_S} s"
            log.warning("worker=%s cannot give its lease up, it will run out: %s", self._info.id, reason)
        await self._calls.close()

    # ---- reading ----

    def read(self, count: int) -> None:
        """See `layer.WorkerLayer.read`."""
        self._wanted = count
        self._send_read()

    def stop_reading(self) -> None:
        """See `layer.WorkerLayer.stop_reading`."""
        self._wanted = 0
        self._end_read()

    def _end_read(self) -> None:
        if self._reading and self._reader_id:
            self._calls.call(["CLIENT", "UNBLOCK", self._reader_id], lambda answer: None)

    def _send_read(self) -> None:
        if self._reading or self._claiming or self._ended or not self._wanted or not self._reads.up:
            return
        self._reading = True
        self._read_since_s = self._loop.time()
        streams = [self._keys.stream(channel) for channel in self._channels]
        self._reads.call(
            [
                "XREADGROUP", "GROUP", self._keys.consumer_group, self._info.id, "COUNT", self._wanted,
                "BLOCK", READ_BLOCK_MS, "STREAMS", *streams, *([">"] * len(streams)),
            ],
            self._have_read,
        )  # fmt: skip

    def _have_read(self, answer: Answer) -> None:
        self._reading = False
        self._read_since_s = None
        if isinstance(answer, hiredis.ReplyError):
            # NOGROUP after a loss of data, LOADING, READONLY: a new connection makes the groups again, with back-off.
            self._reads.reset(answer)
            return
        if answer:
            self._wanted = 0
            self._deliver(self._parse(answer))
        else:
            if self._claim_next:
                self._claim()
            self._send_read()

    def _parse(self, answer: Answer) -> list[Delivery]:
        deliveries = []
        now_ms = self._clock_ms + time.monotonic() * 1000
        for stream, entries in answer:
            channel = self._keys.channel_of(stream.decode())
            for entry_id, fields in entries:
                deliveries.append(_delivery(channel, entry_id, fields, 1, now_ms))
        return deliveries

    def _deliver(self, deliveries: list[Delivery]) -> None:
        keys = [(delivery.channel, delivery.id) for delivery in deliveries]
        if not self._held.isdisjoint(keys):
            # Found by `_find_held` and delivered as well, or delivered again by a Redis that fell back.
            deliveries = [one for one, key in zip(deliveries, keys, strict=True) if key not in self._held]
        self._held.update(keys)
        self._receiver.deliver(deliveries)

    async def _reads_up(self) -> None:
        for channel in self._channels:
            await self._make_group(channel)
        if self._old_reader_id:
            # Redis may not have noticed yet that the old connection is gone, and deliver to the read that waits there.
            self._reads.call(["CLIENT", "UNBLOCK", self._old_reader_id], lambda answer: None)
        self._old_reader_id = self._reader_id = await self._reads.ask(["CLIENT", "ID"])
        await self._find_held()
        self._send_read()

    async def _make_group(self, channel: ChannelName) -> None:
        command = ["XGROUP", "CREATE", self._keys.stream(channel), self._keys.consumer_group, "0", "MKSTREAM"]
        answers: list[Answer] = []
        self._reads.call(command, answers.append)
        await self._reads.ask(["SADD", self._keys.channels, channel])
        for answer in answers:
            if isinstance(answer, hiredis.ReplyError) and not str(answer).startswith("BUSYGROUP"):
                raise LayerUnavailable(f"cannot make the consumer group of {channel}: {answer}")

    async def _find_held(self) -> None:
        """Takes up entries that were delivered in an answer which never arrived."""
        streams = [self._keys.stream(channel) for channel in self._channels]
        # What is committed or handed back while the question is on its way is not lost.
        known = self._held | self._giving
        held = await self._reads.ask(
            SCRIPTS["held"].call(streams, [self._keys.consumer_group, self._info.id, HELD_COUNT])
        )
        lost: list[Delivery] = []
        for index, entry_id, count in held:
            channel = self._channels[index - 1]
            if (channel, entry_id.decode()) in known:
                continue
            found = await self._reads.ask(["XRANGE", streams[index - 1], entry_id, entry_id])
            if found:
                now_ms = self._clock_ms + time.monotonic() * 1000
                lost.append(_delivery(channel, entry_id, found[0][1], count, now_ms))
        if lost:
            log.info("worker=%s takes up %d entries whose delivery was lost", self._info.id, len(lost))
            self._deliver(lost)

    def _reads_down(self) -> None:
        self._reading = False
        self._read_since_s = None
        self._reader_id = 0

    # ---- calls ----

    def sessions(self, connections: Sequence[ConnectionId], done: Callable[[list[bytes]], None]) -> None:
        """See `layer.WorkerLayer.sessions`."""
        if not connections:
            self._loop.call_soon(done, [])
            return
        self._keep_calling(
            ["MGET", *(self._keys.session(connection) for connection in connections)],
            lambda answer: done([value or b"" for value in answer]),
        )

    def commit(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """See `layer.WorkerLayer.commit`."""
        if not outcomes:
            self._loop.call_soon(done, 0)
            return

        def committed(answer: Answer) -> None:
            self._committed(outcomes, answer, done)
            if self._claimable:
                self._claim()

        self._keep_calling(SCRIPTS["commit"].call(*self._commit_call(outcomes)), committed)

    def commit_now(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """See `layer.WorkerLayer.commit_now`."""
        answer = self._lease.commit(*self._commit_call(outcomes))
        self._loop.call_soon_threadsafe(self._committed, outcomes, answer, done)

    def _commit_call(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Arg]]:
        channels, args = commit_args(outcomes)
        keys = [self._keys.stream(channel) for channel in channels]
        return keys, [*self._effect_args(), self._keys.consumer_group, *args]

    def _committed(self, outcomes: Sequence[Outcome], answer: Answer, done: Callable[[int], None]) -> None:
        for outcome in outcomes:
            self._held.discard((outcome.delivery.channel, outcome.delivery.id))
        self._note_failures(answer[1:])
        done(answer[0])

    def apply(
        self, effects: Sequence[Effect], done: Callable[[], None], within: Delivery | None = None
    ) -> None:
        """See `layer.WorkerLayer.apply`."""
        key = self._keys.stream(within.channel) if within is not None else self._keys.epoch

        def applied(answer: Answer) -> None:
            self._note_failures(answer[1:])
            done()

        self._keep_calling(
            SCRIPTS["apply"].call(
                [key],
                [
                    *self._effect_args(), within.id if within is not None else "", self._keys.consumer_group,
                    self._info.id, next(self._numbers), len(effects), *flatten(effects),
                ],
            ),
            applied,
        )  # fmt: skip

    def _note_failures(self, failures: list[bytes]) -> None:
        for failure in failures:
            text = failure.decode("utf-8", "backslashreplace")
            log.error("worker=%s effect not applied, kept as a dead letter: %s", self._info.id, text)

    def _effect_args(self) -> tuple[Arg, ...]:
        settings = self._settings
        return (
            self._keys.base, settings.capacity, settings.mailbox_capacity, settings.dead_capacity, SESSION_TTL_MS,
        )  # fmt: skip

    def _keep_calling(self, command: list[Arg], done: Callable[[Answer], None]) -> None:
        """Sends a call now, and again on every new connection until it is answered."""
        number = next(self._numbers)
        self._waiting[number] = _Call(command, done)
        if self._calls.up:
            self._send_call(number)

    def _send_call(self, number: int) -> None:
        if self._silent_since_s is None:
            self._silent_since_s = self._loop.time()
        self._calls.call(self._waiting[number].command, lambda answer: self._answered(number, answer))

    def _answered(self, number: int, answer: Answer) -> None:
        if isinstance(answer, hiredis.ReplyError):
            self._calls.reset(answer)
            return
        self._silent_since_s = self._loop.time() if self._calls.waiting else None
        if self._away:
            self._come_back()
        call = self._waiting.pop(number, None)
        if call is not None:
            call.done(answer)

    async def _calls_up(self) -> None:
        for number in list(self._waiting):
            self._send_call(number)
        if self._away:
            self._come_back()

    def _calls_down(self) -> None:
        self._silent_since_s = None
        if self._claiming:
            self._claiming = False
            # Who knows what was taken over: a new reading connection asks.
            self._reads.reset("the answer of a take-over was lost")
        self._go_away()
        self._send_read()

    # ---- taking over ----

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """See `layer.WorkerLayer.give_back`."""
        keys = {(delivery.channel, delivery.id) for delivery in deliveries}
        self._giving |= keys
        self._held -= keys
        try:
            self._lease.give_back(deliveries)
        except LayerUnavailable:
            self._held |= keys
            raise
        finally:
            self._giving -= keys

    def _heartbeat_from_thread(self, beat: Heartbeat) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._heartbeat, beat)

    def _heartbeat(self, beat: Heartbeat) -> None:
        self._clock_ms = beat.redis_ms - beat.local_s * 1000
        self._claimable = beat.claimable
        if beat.claimable:
            self._claim()

    def _claim(self) -> None:
        room = min(self._receiver.room(), CLAIM_COUNT)
        if room <= 0 or self._claiming or self._ended:
            return
        # Never beside a read: were a handler of what is taken over to hold the event loop, what that read brings would
        # wait for it unseen.
        self._claim_next = self._reading
        if self._reading:
            self._end_read()
            return
        self._claiming = self._calls.call(
            SCRIPTS["claim"].call(
                [self._keys.dead_workers],
                [self._keys.base, self._keys.consumer_group, self._info.id, room, *self._channels],
            ),
            self._claimed,
        )

    def _claimed(self, answer: Answer) -> None:
        self._claiming = False
        if isinstance(answer, hiredis.ReplyError):
            log.warning("worker=%s cannot take over: %s", self._info.id, answer)
            self._send_read()
            return
        self._claimable = bool(answer)
        if not answer:
            self._send_read()
        else:
            self._wanted = 0  # this is the delivery it asked for; it asks again when it has room
            now_ms = self._clock_ms + time.monotonic() * 1000
            self._deliver(
                [
                    _delivery(ChannelName(channel.decode()), entry_id, fields, count, now_ms)
                    for channel, entry_id, fields, count in answer
                ]
            )

    # ---- whether Redis answers ----

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            if self._read_since_s is not None and self._loop.time() - self._read_since_s > READ_LIMIT_S:
                self._reads.reset("no answer to a read, which Redis ends by itself")
            if not self._calls.waiting:
                # A take-over may have been answered last, and nobody counts those.
                self._silent_since_s = None
            if self._silent_since_s is None:
                continue
            silence_s = self._loop.time() - self._silent_since_s
            if silence_s > SILENCE_S:
                self._go_away()
            if silence_s > GIVE_UP_S:
                self._calls.reset(f"no answer for {silence_s:.0f} s")
                self._reads.reset("the other link was silent")

    def _go_away(self) -> None:
        if not self._away and not self._ended:
            self._away = True
            log.warning("worker=%s Redis does not answer", self._info.id)
            self._receiver.away()

    def _come_back(self) -> None:
        self._away = False
        log.info("worker=%s Redis answers again", self._info.id)
        self._receiver.back()


def _delivery(
    channel: ChannelName, entry_id: bytes, fields: list[bytes], attempt: int, now_ms: float
) -> Delivery:
    # Anything may have been written into a stream by hand: what is not ours becomes a body that no codec accepts.
    body = fields[1] if len(fields) == 2 and fields[0] == b"b" else b"".join(fields)
    if body[:1] == bytes((VERSION,)) and fields[0] != b"b":
        body = b"\0" + body
    name = entry_id.decode()
    return Delivery(channel, name, body, attempt, max(0.0, now_ms - int(name.partition("-")[0])))
