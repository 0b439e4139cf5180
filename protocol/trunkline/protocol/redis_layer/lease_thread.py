"""A worker's lease, kept by a thread of its own: a handler that blocks the event loop must not look like a death.

The thread ticks (``tick.lua``) and, when this worker holds the reaper's lock, buries interface servers that were
declared dead (``reap.lua``). It has a blocking connection of its own.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from ..codec import encode_lease
from ..errors import LayerUnavailable
from ..messages import Delivery, LeaseInfo
from ..names import DISCONNECT, SOCKET_CHANNELS, Keys
from ..redis_layout import Place
from ..settings import LayerSettings
from ..tracks import MAIN, Share, read_shares
from . import connections
from .blocking_calls import BlockingCalls
from .faults import Survives
from .refusals import explained
from .scripts import scripts_of

log = logging.getLogger(__name__)

TICK_S = 0.25
SOCKET_TIMEOUT_S = 5.0
WORKER_PATIENCE = 2
"""Heartbeats of the reaper that a worker must be seen away after its lease ended."""
INTERFACE_PATIENCE = 4
RETURN_BEATS = 8
"""So many more, behind a time without Redis that this worker saw: who lives comes back with pauses of up to a second
(`link`), and has to load all our scripts before it can renew its lease."""
REAP_BUDGET = 200
REAP_STEPS = 20
STEP_LOOKS = 1000
"""Entries, or delayed messages, that one step looks at."""
STEP_BYTES = 4 * 1024 * 1024
"""And about so many bytes of them."""


class Heartbeat(NamedTuple):
    """What a tick tells.

    Attributes:
        redis_ms: Redis' clock.
        local_s: `time.monotonic` when it was read.
        claimable: there are entries to take over.
        shares: what each track gets.
    """

    redis_ms: int
    local_s: float
    claimable: bool
    shares: list[Share]

    @property
    def clock_ms(self) -> float:
        """Redis' clock less our monotonic one."""
        return self.redis_ms - self.local_s * 1000


class LeaseThread:
    """Renews a worker's lease until it is stopped.

    Args:
        settings: how long leases are.
        place: where Redis is.
        keys: of the shard.
        info: of the worker.
        on_heartbeat: called on the thread after each answered tick.
        track: that the worker serves.
    """

    def __init__(
        self,
        settings: LayerSettings,
        place: Place,
        keys: Keys,
        info: LeaseInfo,
        on_heartbeat: Callable[[Heartbeat], None],
        track: str = MAIN,
    ) -> None:
        self._keys = keys
        self._settings = settings
        self._url = place.url
        self._scripts = scripts_of(place)
        self._lease_ms = int(settings.worker_lease_s * 1000)
        self._info = info
        self._track = track
        self._encoded = encode_lease(info)
        self._on_heartbeat = on_heartbeat
        self._stop = threading.Event()
        self._failing = False
        self._returning = 0  # heartbeats until those who live are back
        self._redis = connections.blocking_client(
            place, "trunkline-lease", SOCKET_TIMEOUT_S, Retry(NoBackoff(), 0)
        )
        self._calls = BlockingCalls(self._redis)  # of the thread alone
        self._thread = threading.Thread(target=self._run, name="trunkline-lease", daemon=True)

    def first(self) -> Heartbeat:
        """Takes the lease, on the calling thread.

        Raises:
            LayerUnavailable: Redis does not answer.
        """
        try:
            return self._tick()
        except (RedisError, OSError) as error:
            raise LayerUnavailable(f"cannot reach Redis: {explained(error, self._url)}") from error

    def start(self) -> None:
        """Begins to renew."""
        self._thread.start()

    def leave_track(self) -> None:
        """Renews its track no more, for it reads nothing more of it."""
        self._track = MAIN

    def stop(self) -> None:
        """Ends the thread and waits for it, at most one tick and one answer. The lease stays; see ``leave.lua``."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(SOCKET_TIMEOUT_S + TICK_S)
        self._calls.close()
        self._redis.close()

    def commit(self, keys: list[str], args: list[str | bytes | int]) -> Any:
        """Runs ``commit.lua``, from any thread; its answer.

        Raises:
            LayerUnavailable: Redis does not answer. Whether it was done is not known, and doing it again is safe.
        """
        try:
            with self._redis.pipeline(transaction=False) as calls:
                calls.eval(self._scripts["arrive"].text, 1, self._keys.stood, self._keys.base, "")
                calls.eval(self._scripts["commit"].text, len(keys), *keys, *args)
                return calls.execute()[1]
        except (RedisError, OSError) as error:
            raise LayerUnavailable(f"cannot commit: {error}") from error

    def give_back(self, deliveries: Sequence[Delivery], after_ms: int = 0) -> None:
        """Hands entries to others, who get them ``after_ms`` from now; from any thread. What cannot be told stays this
        worker's."""
        by_channel: dict[str, list[str]] = {}
        for delivery in deliveries:
            by_channel.setdefault(delivery.channel, []).append(delivery.id)
        try:
            for channel, ids in by_channel.items():
                self._redis.eval(
                    self._scripts["give_back"].text,
                    1,
                    self._keys.stream(channel),
                    self._keys.base, self._keys.consumer_group, channel, self._info.id, 0, after_ms, *ids,
                )  # fmt: skip
        except (RedisError, OSError) as error:
            raise LayerUnavailable(f"cannot hand entries back: {error}") from error

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            # Without this thread a worker that is well would be declared dead.
            with Survives(f"worker={self._info.id}", "renew its lease"):
                self._renew()

    def _renew(self) -> None:
        try:
            self._on_heartbeat(self._tick())
            self._failing = False
            self._returning = max(0, self._returning - 1)
        except (RedisError, OSError, LayerUnavailable) as error:
            if not self._failing:
                reason = error if isinstance(error, LayerUnavailable) else explained(error, self._url)
                log.warning("worker=%s cannot renew its lease: %s", self._info.id, reason)
            self._failing = True
            self._returning = INTERFACE_PATIENCE + RETURN_BEATS + 1  # the last one buries

    def _tick(self) -> Heartbeat:
        patience = INTERFACE_PATIENCE + (RETURN_BEATS if self._returning else 0)
        answer = self._call(
            "tick",
            [self._keys.reaper],
            [
                self._keys.base, self._info.id, self._lease_ms, self._encoded, secrets.token_hex(8),
                int(TICK_S * 1000), WORKER_PATIENCE, patience, self._keys.consumer_group, self._track,
                *SOCKET_CHANNELS,
            ],
        )  # fmt: skip
        local_s = time.monotonic()
        redis_ms, dead_workers, reaping, returned, due, tracks = answer
        if reaping:
            self._reap()
        if due:
            self._publish_due(local_s + TICK_S)
        return Heartbeat(redis_ms, local_s, bool(dead_workers or returned), read_shares(tracks))

    def _reap(self) -> None:
        for _ in range(REAP_STEPS):
            published, more = self._call(
                "reap",
                [self._keys.reaping],
                [self._keys.base, self._keys.consumer_group, REAP_BUDGET, DISCONNECT, STEP_LOOKS, STEP_BYTES],
            )
            if published:
                log.warning(
                    "worker=%s reaper published disconnects=%d of dead interface servers",
                    self._info.id,
                    published,
                )
            if not more:
                return

    def _publish_due(self, until_s: float) -> None:
        args: list[str | bytes | int] = [
            self._keys.base, self._settings.capacity, self._settings.dead_capacity, STEP_LOOKS, STEP_BYTES,
        ]  # fmt: skip
        # The lease comes first: what is left by then is the next heartbeat's.
        while self._call("due", [self._keys.delayed], args) and time.monotonic() < until_s:
            pass

    def _call(self, script: str, keys: list[str], args: list[str | bytes | int]) -> Any:
        """Runs a script, on the thread."""
        found = self._scripts[script]
        try:
            return self._calls.ask(found.call(keys, args))
        except NoScriptError:
            return self._calls.ask(["EVAL", found.text, len(keys), *keys, *args])
