"""The operator's side of the Redis layer: what commands and scrapes ask. Plain redis-py, off the hot path."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import redis.exceptions
from redis.exceptions import RedisError

from ..codec import decode_dead_letter, decode_lease
from ..errors import CodecError, LayerError, LayerUnavailable
from ..messages import ChannelStats, ClusterStats, DeadLetterRecord, LeaseInfo
from ..names import INTERFACE_CHANNELS, ChannelName, InterfaceId, Keys
from ..process.desired import Load
from ..process.facts.cluster import Inspected
from ..process.scaling import Shared
from ..redis_url import without_secrets
from ..redriving import Redriven, again
from ..settings import LayerSettings
from ..tracks import split_track
from . import connections
from .commit_call import SESSION_TTL_MS
from .inspection import Inspection
from .plain import was_reset
from .refusals import explained
from .scaling import Scaling
from .scripts import scripts_of
from .server_stats import server_stats, skew_s

TIMEOUT_S = 5.0
_LETTER_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


class RedisOperatorLayer:
    """See `layer.OperatorLayer`.

    Args:
        settings: where Redis is.
        shard: that is there.
    """

    def __init__(self, settings: LayerSettings, shard: int = 0) -> None:
        place = settings.places[shard]
        self._url = place.url
        self._scripts = scripts_of(place)
        self._keys = Keys(settings.prefix, shard)
        self._shard = shard
        self._capacity = settings.capacity
        # One shard of several that is away is told of at once: the others are what is asked for then.
        alone = len(settings.places) == 1
        self._redis = connections.client(place, "trunkline-operator", TIMEOUT_S, patient=alone)
        self._scaling = Scaling(self._redis, self._keys)

    async def close(self) -> None:
        """See `layer.OperatorLayer.close`."""
        await self._redis.aclose()

    async def server_info(self) -> dict[str, str]:
        """What the server says about itself, as far as it matters here: ``redis_version``, ``maxmemory_policy``,
        ``aof_enabled``, ``used_memory_human``; and its address as ``primary``, if Sentinel has told it.

        Raises:
            LayerUnavailable: Redis does not answer or refuses us.
        """
        info = await self._ask(self._redis.info())
        names = (
            "redis_version",
            "valkey_version",
            "maxmemory_policy",
            "aof_enabled",
            "used_memory_human",
            "run_id",
        )
        told = {name: str(info[name]) for name in names if name in info}
        primary = connections.primary_of(self._redis)
        return told if primary is None else {**told, "primary": str(primary)}

    async def inspect(self, deep: bool = False) -> Inspected:
        """See `process.facts.gatherer.Inspects.inspect`."""
        return cast("Inspected", await self._ask(Inspection(self._redis, self._keys, self._url).look(deep)))

    async def report_load(self, identity: str, load: Load) -> None:
        """See `process.scaling.Scales.report_load`."""
        await self._ask(self._scaling.report(identity, load))

    async def shared_loads(self, ids: Sequence[str], channels: Sequence[str]) -> Shared:
        """See `process.scaling.Scales.shared_loads`."""
        return cast("Shared", await self._ask(self._scaling.shared(ids, channels)))

    async def agree(self, found: Mapping[str, int], hold_s: float) -> dict[str, int]:
        """See `process.scaling.Scales.agree`."""
        return cast("dict[str, int]", await self._ask(self._scaling.agree(found, hold_s)))

    async def stats(self) -> ClusterStats:
        """See `layer.OperatorLayer.stats`. In few exchanges: the event loop of a worker turns seldom while its handlers
        hold it, and each exchange waits for a turn."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.time()
        pipeline.smembers(self._keys.channels)
        pipeline.zcard(self._keys.delayed)
        pipeline.get(self._keys.delayed_count)
        pipeline.info()
        asked_s = time.time()
        (seconds, microseconds), names, delayed, ever, told = await self._ask(pipeline.execute())
        skew = skew_s(asked_s, seconds + microseconds / 1_000_000, time.time())
        now_ms = seconds * 1000 + microseconds // 1000
        known = {name.decode("utf-8", "replace") for name in names}
        channels = [ChannelName(name) for name in sorted(known | set(INTERFACE_CHANNELS))]
        interfaces, workers = await self._leases(now_ms)
        pipeline = self._redis.pipeline(transaction=False)
        for info in interfaces:
            pipeline.xlen(self._keys.mailbox(info.id))
        lengths = await self._ask(pipeline.execute())
        mailboxes = {
            InterfaceId(info.id): int(length) for info, length in zip(interfaces, lengths, strict=True)
        }
        dead, trimmed = await self._run("dead_counts", [self._keys.base])
        return ClusterStats(
            await self._channels(channels, now_ms),
            interfaces,
            workers,
            int(dead),
            mailboxes,
            int(delayed),
            int(trimmed),
            int(ever or 0),
            (server_stats(str(self._shard), told),),
            skew,
        )

    async def _channels(self, channels: Sequence[ChannelName], now_ms: int) -> list[ChannelStats]:
        pipeline = self._redis.pipeline(transaction=False)
        for channel in channels:
            pipeline.xlen(self._keys.stream(channel))
            pipeline.xrange(self._keys.stream(channel), count=1)
            pipeline.xinfo_groups(self._keys.stream(channel))
        answers = await self._ask(pipeline.execute(raise_on_error=False))
        found = []
        for index, channel in enumerate(channels):
            length, first, groups = answers[3 * index : 3 * index + 3]
            if isinstance(length, RedisError):
                raise self._unavailable(length)
            oldest_s = max(0.0, (now_ms - int(first[0][0].partition(b"-")[0])) / 1000) if first else 0.0
            # A channel that nobody has served or sent to has no stream.
            pending = sum(int(group["pending"]) for group in groups) if isinstance(groups, list) else 0
            found.append(ChannelStats(channel, int(length), pending, oldest_s))
        return found

    async def _leases(self, now_ms: int) -> tuple[list[LeaseInfo], list[LeaseInfo]]:
        """Those of interface servers, and of workers."""
        pipeline = self._redis.pipeline(transaction=False)
        roles = ("interface", "worker")
        for role in roles:
            pipeline.zrangebyscore(self._keys.leases(role), now_ms, "+inf")
        pipeline.hgetall(self._keys.info())
        interfaces, workers, infos = await self._ask(pipeline.execute())
        found = [
            [_lease(name, role, infos[name]) for name in names if infos.get(name)]
            for role, names in zip(roles, (interfaces, workers), strict=True)
        ]
        return found[0], found[1]

    async def dead_letters(self, after: str = "", count: int = 100) -> list[DeadLetterRecord]:
        """See `layer.OperatorLayer.dead_letters`."""
        if after and not _LETTER_ID.fullmatch(after):
            raise LayerError(f"dead letters after {after!r}: expected an id as in 1700000000000-0")
        start = f"({after}" if after else "-"
        found = await self._ask(self._redis.xrange(self._keys.dead(), min=start, count=count))
        return [_record(letter_id.decode(), fields) for letter_id, fields in found]

    async def dead_letter(self, letter_id: str) -> DeadLetterRecord | None:
        """See `layer.OperatorLayer.dead_letter`."""
        if not _LETTER_ID.fullmatch(letter_id):
            return None
        found = await self._ask(self._redis.xrange(self._keys.dead(), min=letter_id, max=letter_id))
        return _record(letter_id, found[0][1]) if found else None

    async def redrive(self, letter_id: str) -> Redriven:
        """See `layer.OperatorLayer.redrive`.

        Raises:
            LayerUnavailable: Redis does not answer; the letter is there still, or its message was put back.
            CodecError: the letter holds no message that a handler could take.
        """
        letter = await self.dead_letter(letter_id)
        if letter is None:
            return Redriven("missing")
        message = again(letter)
        args: list[str | bytes | int] = [
            self._keys.base, letter_id, _token(), self._capacity, message.channel, message.body,
        ]  # fmt: skip
        if message.interface is not None and message.connection is not None:
            args += [message.interface, message.connection, letter.session, SESSION_TTL_MS]
        answer = await self._run("redrive", args)
        return Redriven("put_back", gone=True) if answer == b"gone" else Redriven(answer.decode())

    async def drop(self, letter_id: str) -> bool:
        """See `layer.OperatorLayer.drop`."""
        if not _LETTER_ID.fullmatch(letter_id):
            return False
        return bool(await self._run("drop", [self._keys.base, letter_id, _token()]))

    async def _run(self, script: str, args: list[str | bytes | int]) -> Any:
        """Runs a script on the dead letters, and again if the connection breaks."""
        text = self._scripts[script].text
        try:
            return await self._redis.eval(text, 1, self._keys.dead(), *args)
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError):
            return await self._ask(self._redis.eval(text, 1, self._keys.dead(), *args))
        except RedisError as error:
            raise self._unavailable(error) from error
        except RuntimeError as error:
            raise await was_reset(self._redis, error) from error

    async def _ask(self, answer: Any) -> Any:
        # redis-py types its commands as "awaitable or not", for its synchronous twin.
        try:
            return await answer
        except (RedisError, OSError) as error:
            raise self._unavailable(error) from error
        except RuntimeError as error:
            raise await was_reset(self._redis, error) from error

    def _unavailable(self, error: Exception) -> LayerUnavailable:
        return LayerUnavailable(f"Redis at {without_secrets(self._url)}: {explained(error, self._url)}")


def _token() -> str:
    """Names a call that may be sent twice: redis-py does so by itself, too, when a connection breaks."""
    return secrets.token_hex(16)


def _lease(name: bytes, role: str, raw: bytes) -> LeaseInfo:
    try:
        return decode_lease(raw)
    except CodecError as error:
        return LeaseInfo(name.decode("utf-8", "replace"), role, "", 0, "", "", 0.0, f"garbage: {error}")


def _record(letter_id: str, fields: dict[bytes, bytes]) -> DeadLetterRecord:
    raw = fields.get(b"b")
    if raw is not None:
        try:
            return decode_dead_letter(letter_id, raw)
        except CodecError as error:
            return _bare_record(letter_id, "unreadable", ChannelName(""), raw, str(error))
    # Written by effects.lua or due.lua, as is what follows.
    failed = fields.get(b"failed")
    if failed is not None:
        text = failed.decode("utf-8", "backslashreplace")
        channel = _channel(fields.get(b"channel", b""))
        return _bare_record(letter_id, "effect_failed", channel, fields.get(b"body", b""), text)
    # A channel was full when a handler sent to it.
    full = fields.get(b"full")
    if full is not None:
        channel = _channel(full)
        return _bare_record(
            letter_id, "channel_full", channel, fields.get(b"body", b""), f"channel {channel} was full"
        )
    found = ", ".join(name.decode("utf-8", "backslashreplace") for name in fields)
    why = f"a dead letter with the fields {found}: another version of Trunkline wrote it, or somebody by hand"
    return _bare_record(letter_id, "unreadable", ChannelName(""), b"", why)


def _channel(name: bytes) -> ChannelName:
    """As it is called on the main track: a letter outlives every other."""
    return split_track(ChannelName(name.decode("utf-8", "replace")))[0]


def _bare_record(
    letter_id: str, reason: str, channel: ChannelName, body: bytes, error: str
) -> DeadLetterRecord:
    time_s = int(letter_id.partition("-")[0]) / 1000
    return DeadLetterRecord(letter_id, reason, channel, body, "", error, "", 1, "", b"", time_s)
