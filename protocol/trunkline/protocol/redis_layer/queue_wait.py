"""How long entries wait until a worker is given them, as an interface server asks to know whom to let in."""

from __future__ import annotations

from redis.exceptions import RedisError

from ..errors import LayerUnavailable
from ..names import INTERFACE_CHANNELS, ChannelName, Keys
from ..settings import LayerSettings
from .plain import plain_client, was_reset

TIMEOUT_S = 2.0


class QueueWait:
    """Looks at the streams that interface servers write. Plain redis-py, two round trips a look, off the hot path.

    Args:
        settings: where Redis is.
    """

    def __init__(self, settings: LayerSettings) -> None:
        self._keys = Keys(settings.prefix)
        self._redis = plain_client(settings, "trunkline-queue-wait", TIMEOUT_S)

    async def waits_s(self) -> dict[ChannelName, float]:
        """The age of the oldest entry of each channel that no worker has been given, in seconds of Redis' clock: unlike
        the age of the oldest entry it does not grow while a handler takes its time.

        Raises:
            LayerUnavailable: Redis does not answer.
        """
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for channel in INTERFACE_CHANNELS:
                    pipeline.xinfo_groups(self._keys.stream(channel))
                answers = await pipeline.execute(raise_on_error=False)
                for answer in answers:
                    # A stream that is not there yet: nothing waits in it.
                    if isinstance(answer, RedisError) and "no such key" not in str(answer):
                        raise answer
                behind = {
                    channel: groups[0]["last-delivered-id"]
                    for channel, groups in zip(INTERFACE_CHANNELS, answers, strict=True)
                    if isinstance(groups, list) and groups
                }
                pipeline.time()
                for channel, last in behind.items():
                    pipeline.xrange(self._keys.stream(channel), min=b"(" + last, count=1)
                (seconds, microseconds), *found = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise LayerUnavailable(str(error) or "Redis does not answer") from error
        except RuntimeError as error:
            raise await was_reset(self._redis, error) from error
        now_ms = seconds * 1000 + microseconds // 1000
        return {
            channel: max(0, now_ms - int(first[0][0].partition(b"-")[0])) / 1000 if first else 0.0
            for channel, first in zip(behind, found, strict=True)
        }

    async def close(self) -> None:
        """Ends the connection. Idempotent."""
        await self._redis.aclose()
