"""Loads that processes share over Redis, and what they agree on. Plain redis-py, off the hot path."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..errors import CodecError
from ..names import Keys
from ..process.desired import Load
from ..process.scaling import FORGOTTEN_S, Shared
from ..records import decode_load, encode_load
from .scripts import SCRIPTS

SLOT_S: Final = 10
"""Decisions of so many seconds are one: their largest."""


class Scaling:
    """See `process.scaling.Scales`; raises what redis-py does.

    Args:
        client: of redis-py.
        keys: of the deployment.
    """

    def __init__(self, client: Any, keys: Keys) -> None:
        self._redis = client
        self._keys = keys

    async def report(self, identity: str, load: Load) -> None:
        """Tells a load."""
        await self._redis.set(self._keys.load(identity), encode_load(load), px=int(FORGOTTEN_S * 1000))

    async def shared(self, ids: Sequence[str], channels: Sequence[str]) -> Shared:
        """Reads the loads of these processes and the waits of these channels."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.time()
        for name in ids:
            pipeline.get(self._keys.load(name))
        pipeline.eval(*self._waits(channels))
        (seconds, microseconds), *raws, waits_ms = await pipeline.execute()
        loads = {name: load for name, raw in zip(ids, raws, strict=True) if raw and (load := _load(raw))}
        return Shared(seconds + microseconds / 1e6, loads, _waits_s(channels, waits_ms))

    async def waits_s(self, channels: Sequence[str]) -> dict[str, float]:
        """The age of the oldest entry of each channel that no worker was given; nothing of one nobody ever served."""
        return _waits_s(channels, await self._redis.eval(*self._waits(channels)))

    def _waits(self, channels: Sequence[str]) -> tuple[str | int, ...]:
        streams = [self._keys.stream(channel) for channel in channels]
        return SCRIPTS["waits"].text, len(streams), *streams, self._keys.consumer_group

    async def agree(self, found: Mapping[str, int], hold_s: float) -> dict[str, int]:
        """Notes and reads decisions."""
        slots = math.ceil(hold_s / SLOT_S)
        words = [word for role, number in found.items() for word in (role, number)]
        agreed = await self._redis.eval(SCRIPTS["desired"].text, 1, self._keys.desired, slots, SLOT_S, *words)
        return dict(zip(found, map(int, agreed), strict=True))


def _waits_s(channels: Sequence[str], waits_ms: Sequence[int]) -> dict[str, float]:
    pairs = zip(channels, waits_ms, strict=True)
    return {channel: wait_ms / 1000 for channel, wait_ms in pairs if wait_ms >= 0}


def _load(raw: bytes) -> Load | None:
    try:
        return decode_load(raw)
    except CodecError:
        return None  # of another version
