"""The worker's side of the Redis layer.

One link blocks in XREADGROUP, a second one carries commits, sessions and take-overs, a thread keeps the lease. A
commit is kept until its answer is read and sent again over a new connection: the acknowledgement decides, so the second
time it changes nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from ..errors import LayerUnavailable
from ..layer import WorkerReceiver
from ..messages import Delivery, Effect, LeaseInfo, Outcome
from ..names import ChannelName, ConnectionId, Keys
from ..process.logs import RateLimited
from ..settings import LayerSettings
from ..sharding.parts import total
from ..tracks import MAIN, TRACKED, on_track, orphans
from .calls import Calls
from .commit_call import MAX_CALL_BYTES, SESSION_TTL_MS, Arg, commit_args, flatten, split
from .deliveries import Deliveries
from .early import EarlySends, Parted
from .faults import keep_doing
from .lease_thread import Heartbeat, LeaseThread
from .packing import Head
from .reading import Reading
from .scripts import SCRIPTS
from .takeover import Takeover
from .wire import Answer

log = logging.getLogger(__name__)
rate_limited = RateLimited(log, per_s=0.1)

WATCH_S = 0.5
"""Between two looks at what should have been answered."""
LETTERS_FULL = b"!full"
"""A line of a script's answer: see effects.lua."""
HEADS = 64
"""Beginnings of commits that are remembered, one for each set of channels that was ever committed together."""
LEAVE_S = 2.0
"""How long a worker that ends waits for Redis to take note."""


class RedisWorkerLayer:
    """See `layer.WorkerLayer`.

    Args:
        settings: where Redis is, capacities and lease times.
        shard: that is there.
        track: that the worker serves.
    """

    def __init__(self, settings: LayerSettings, shard: int = 0, track: str = MAIN) -> None:
        place = self._place = settings.places[shard]
        self._settings = settings
        self._keys = Keys(settings.prefix, shard)
        self._calls = Calls(
            place, SCRIPTS["arrive"].call([self._keys.stood], [self._keys.base, ""]), self._calls_down
        )
        self._deliveries = Deliveries(self._return_begun, shard)
        self._reading = Reading(place, self._keys, self._calls.link, self._deliveries, self._read_ended)
        self._takeover = Takeover(self._keys, self._calls.link, self._reading, self._deliveries)
        self._effect_args: tuple[Arg, ...] = (
            self._keys.base, settings.capacity, settings.mailbox_capacity, settings.dead_capacity, SESSION_TTL_MS,
        )  # fmt: skip
        self._commit_args: tuple[Arg, ...] = (*self._effect_args, self._keys.consumer_group)
        self._commit_head = lru_cache(HEADS)(self._make_commit_head)
        self._early = EarlySends()
        self._track = track
        self._channels: list[ChannelName] = []
        self._orphans: list[str] = []
        self._numbers = itertools.count(1)  # of calls to `apply.lua`
        self._info: LeaseInfo
        self._lease: LeaseThread
        self._loop: asyncio.AbstractEventLoop
        self._watcher: asyncio.Task[None] | None = None
        self._ended = False

    # ---- life ----

    async def open(self, info: LeaseInfo, channels: Sequence[ChannelName], receiver: WorkerReceiver) -> None:
        """See `layer.WorkerLayer.open`."""
        self._info, self._channels = info, [on_track(channel, self._track) for channel in channels]
        self._loop = asyncio.get_running_loop()
        self._deliveries.receiver = receiver
        self._takeover.begin(info.id, self._channels, receiver)
        self._calls.silence.begin(f"worker={info.id}", receiver.away, receiver.back)
        self._lease = LeaseThread(
            self._settings, self._place, self._keys, info, self._heartbeat_from_thread, self._track
        )
        self._heartbeat(await asyncio.to_thread(self._lease.first))
        await self._calls.link.open()
        await self._reading.open(info.id, self._takeover.channels)
        self._lease.start()
        self._watcher = asyncio.create_task(
            keep_doing(self._look, WATCH_S, lambda: self._calls.silence.who, "watch Redis"),
            name="worker watches Redis",
        )

    async def close(self) -> None:
        """See `layer.WorkerLayer.close`."""
        if self._ended:
            return
        self._ended = self._takeover.ended = self._reading.ended = self._calls.silence.ended = True
        if self._watcher is not None:
            self._watcher.cancel()
        await asyncio.to_thread(self._lease.stop)
        await self._reading.close()
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._calls.link.ask(
                    SCRIPTS["leave"].call(
                        [self._keys.leases("worker")],
                        [self._keys.base, self._info.id, self._keys.consumer_group],
                    )
                )
        except (LayerUnavailable, TimeoutError) as error:
            reason = str(error) or f"no answer for {LEAVE_S} s"
            log.warning("worker=%s cannot give its lease up, it will run out: %s", self._info.id, reason)
        await self._calls.link.close()

    # ---- reading, taking over, handing back ----

    def read(self, count: int) -> None:
        """See `layer.WorkerLayer.read`."""
        self._reading.want(count)

    def stop_reading(self) -> None:
        """See `layer.WorkerLayer.stop_reading`."""
        self._reading.unwant()
        # What it still has to finish may take long, and its connections go on meanwhile.
        self._lease.leave_track()

    def _read_ended(self) -> None:
        self._takeover.read_ended()

    def give_back(self, deliveries: Sequence[Delivery], after_ms: int = 0) -> None:
        """See `layer.WorkerLayer.give_back`."""
        self._deliveries.give_back(deliveries, partial(self._lease.give_back, after_ms=after_ms))
        self._early.forget(deliveries)

    def _return_begun(self, delivery: Delivery, done: Callable[[], None]) -> None:
        args: list[Arg] = [
            self._keys.base, self._keys.consumer_group, delivery.channel, self._info.id, 1, 0, delivery.id,
        ]  # fmt: skip
        command = SCRIPTS["give_back"].call([self._keys.stream(delivery.channel)], args)
        self._calls.keep(command, lambda answer: done())

    def _heartbeat_from_thread(self, beat: Heartbeat) -> None:
        # Most tell nothing but the time. To wake the event loop for each was a quarter of what an idle worker does.
        self._deliveries.clock_ms = beat.clock_ms
        news = beat.claimable or self._takeover.claimable or self._orphans_at(beat) != self._orphans
        if news and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._heartbeat, beat)

    def _heartbeat(self, beat: Heartbeat) -> None:
        self._deliveries.clock_ms = beat.clock_ms
        self._takeover.claimable = beat.claimable
        self._adopt(self._orphans_at(beat))
        if beat.claimable:
            self._takeover.claim()

    def _orphans_at(self, beat: Heartbeat) -> list[str]:
        return orphans(beat.shares, beat.redis_ms) if self._track == MAIN else []

    def _adopt(self, tracks: list[str]) -> None:
        """Serves these tracks besides, because nobody else does."""
        if tracks == self._orphans or self._ended:
            return
        self._orphans = tracks
        log.warning(
            "worker=%s serves tracks that have no worker: %s",
            self._info.id,
            ", ".join(tracks) or "none any more",
        )
        served = [
            *self._channels,
            *(
                on_track(channel, track)
                for track in tracks
                for channel in self._channels
                if channel in TRACKED
            ),
        ]
        self._takeover.channels = served
        self._reading.serve(served)

    # ---- calls ----

    def sessions(self, connections: Sequence[ConnectionId], done: Callable[[list[bytes]], None]) -> None:
        """See `layer.WorkerLayer.sessions`."""
        if not connections:
            self._loop.call_soon(done, [])
            return
        self._calls.keep(
            ["MGET", *self._keys.sessions(connections)],
            lambda answer: done([value or b"" for value in answer]),
        )

    def commit(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """See `layer.WorkerLayer.commit`."""
        if not outcomes:
            self._loop.call_soon(done, 0)
            return
        if self._early:
            parted = self._early.part(outcomes)
            if len(parted.ready) < len(outcomes):
                self._commit_in_turn(parted, done)
                return

        channels, args = commit_args(outcomes)
        packed = self._commit_head(channels).followed_by(args)
        if len(packed) > MAX_CALL_BYTES:
            parts = split(outcomes)
            if len(parts) > 1:
                del packed
                done = total(len(parts), done)
                for part in parts:
                    self.commit(part, done)
                return

        self._calls.keep_packed(packed, partial(self._committed, outcomes, done))

    def commit_now(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """See `layer.WorkerLayer.commit_now`."""
        if self._early:
            ready, waiting, dropped = self._early.part(outcomes)
            if waiting or dropped:
                done = total(2, done)
                if ready:
                    self.commit_now(ready, done)
                else:
                    self._loop.call_soon_threadsafe(done, 0)
                self._loop.call_soon_threadsafe(self.commit, [*waiting, *dropped], done)
                return
        parts = split(outcomes)
        done = total(len(parts), done)
        for part in parts:
            channels, args = commit_args(part)
            answer = self._lease.commit(
                [self._keys.stream(channel) for channel in channels], [*self._commit_args, *args]
            )
            self._loop.call_soon_threadsafe(self._committed, part, done, answer)

    def _commit_in_turn(self, parted: Parted, done: Callable[[int], None]) -> None:
        """Commits what is ready; the rest when its early sends are answered, or never if some were dropped."""
        done = total(1 + len(parted.waiting), done)
        self._early.forget(outcome.delivery for outcome in parted.dropped)
        self._deliveries.committed(parted.dropped)
        for outcome in parted.waiting:
            self._early.then(outcome.delivery, partial(self.commit, [outcome], done))
        self.commit(parted.ready, done)

    def _make_commit_head(self, channels: tuple[ChannelName, ...]) -> Head:
        """What is the same in every commit of these channels."""
        keys = [self._keys.stream(channel) for channel in channels]
        return Head([*SCRIPTS["commit"].call(keys, []), *self._commit_args])

    def _committed(self, outcomes: Sequence[Outcome], done: Callable[[int], None], answer: Answer) -> None:
        self._deliveries.committed(outcomes)
        if len(answer) > 1:
            self._note_failures(answer[1:])
        done(answer[0])
        if self._takeover.claimable:
            self._takeover.claim()

    def apply(
        self, effects: Sequence[Effect], done: Callable[[], None], within: Delivery | None = None
    ) -> None:
        """See `layer.WorkerLayer.apply`."""
        key = self._keys.stream(within.channel) if within is not None else self._keys.epoch
        if within is not None:
            self._early.begin(within)

        def applied(answer: Answer) -> None:
            if within is not None:
                self._early.end(within, applied=answer[0] == 1)
            self._note_failures(answer[1:])
            done()

        self._calls.keep(
            SCRIPTS["apply"].call(
                [key],
                [
                    *self._effect_args, within.id if within is not None else "", self._keys.consumer_group,
                    self._info.id, next(self._numbers), len(effects), *flatten(effects),
                ],
            ),
            applied,
        )  # fmt: skip

    def _note_failures(self, failures: list[bytes]) -> None:
        for failure in failures:
            if failure == LETTERS_FULL:
                rate_limited.warning(
                    "letters full",
                    "dead letters have reached their bound, the oldest make room capacity=%d",
                    self._settings.dead_capacity,
                )
                continue
            text = failure.decode("utf-8", "backslashreplace")
            log.error("worker=%s effect not applied, kept as a dead letter: %s", self._info.id, text)

    # ---- whether Redis answers ----

    def _calls_down(self) -> None:
        self._takeover.lost()
        self._reading.send()

    def _look(self) -> None:
        self._reading.look()
        self._calls.look(self._reading.link)
