"""Reads the ledger from Redis as it grows, and takes away what was read, whatever is done to Redis meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tests.faults.soak.app import LEDGER
from trunkline.protocol.codec import decode_entry
from trunkline.protocol.names import Keys, channel_name

COUNT = 2000
BLOCK_MS = 1000
PAUSE_S = 0.1
"""Before it tries again."""


class Reader:
    """The only reader of a soak's ledger.

    Args:
        url: of Redis.
        keys: of the shard.
        read: gets each event.

    Attributes:
        failures: how often Redis was not to be reached.
    """

    def __init__(self, url: str, keys: Keys, read: Callable[[Mapping[str, Any]], None]) -> None:
        self.failures = 0
        self._read = read
        self._stream = keys.stream(LEDGER)
        self._channel = channel_name(LEDGER)
        self._redis: Any = redis.asyncio.Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=None)
        self._last = "0"

    async def run(self) -> None:
        """Reads until it is cancelled."""
        try:
            while True:
                try:
                    await self._step()
                except (RedisError, OSError):
                    self.failures += 1
                    await asyncio.sleep(PAUSE_S)
        finally:
            await self._redis.aclose()

    async def _step(self) -> None:
        answer = await self._redis.xread({self._stream: self._last}, count=COUNT, block=BLOCK_MS)
        for _, entries in answer or ():
            for entry_id, fields in entries:
                for event in decode_entry(self._channel, fields[b"b"]).events:
                    assert isinstance(event, dict), event
                    self._read(event)
                self._last = entry_id.decode()
            # What was read goes, this last one included: a restart of Redis must not bring it back to anybody.
            ms, _, number = self._last.partition("-")
            await self._redis.xtrim(self._stream, minid=f"{ms}-{int(number) + 1}", approximate=False)
