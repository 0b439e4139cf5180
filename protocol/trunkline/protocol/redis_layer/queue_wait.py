"""How long entries wait until a worker is given them, as an interface server asks to know whom to let in."""

from __future__ import annotations

from typing import Any, cast

from redis.exceptions import NoScriptError, RedisError

from ..errors import LayerUnavailable
from ..names import INTERFACE_CHANNELS, ChannelName, Keys
from ..settings import LayerSettings
from . import connections
from .plain import was_reset
from .scripts import scripts_of

TIMEOUT_S = 2.0


class QueueWait:
    """Looks at the streams that interface servers write. Plain redis-py, off the hot path.

    Args:
        settings: where Redis is.
        shard: that is there.
    """

    def __init__(self, settings: LayerSettings, shard: int = 0) -> None:
        self._keys = Keys(settings.prefix, shard)
        place = settings.places[shard]
        self._scripts = scripts_of(place)
        self._redis = connections.client(place, "trunkline-queue-wait", TIMEOUT_S)
        self._streams = [self._keys.stream(channel) for channel in INTERFACE_CHANNELS]

    async def waits_s(self) -> dict[ChannelName, float]:
        """The age of the oldest entry of each channel that no worker has been given, in seconds of Redis' clock: unlike
        the age of the oldest entry it does not grow while a handler takes its time.

        Raises:
            LayerUnavailable: Redis does not answer.
        """
        try:
            waits_ms = await self._ask()
        except (RedisError, OSError) as error:
            raise LayerUnavailable(str(error) or "Redis does not answer") from error
        except RuntimeError as error:
            raise await was_reset(self._redis, error) from error
        pairs = zip(INTERFACE_CHANNELS, waits_ms, strict=True)
        return {channel: wait_ms / 1000 for channel, wait_ms in pairs if wait_ms >= 0}

    async def _ask(self) -> list[int]:
        script, arguments = self._scripts["waits"], (*self._streams, self._keys.consumer_group)
        try:
            answer: Any = await self._redis.evalsha(script.sha, len(self._streams), *arguments)
        except NoScriptError:
            answer = await self._redis.eval(script.text, len(self._streams), *arguments)
        return cast("list[int]", answer)

    async def close(self) -> None:
        """Ends the connection. Idempotent."""
        await self._redis.aclose()
