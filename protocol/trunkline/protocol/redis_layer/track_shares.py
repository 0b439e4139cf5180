"""The shares of tracks, as an operator reads and sets them. Interface servers hear of a change within half a second."""

from __future__ import annotations

from typing import Any, Self

from redis.exceptions import RedisError

from ..errors import LayerUnavailable
from ..names import Keys
from ..settings import LayerSettings
from ..tracks import Share, read_shares
from . import connections
from .plain import was_reset
from .refusals import explained

TIMEOUT_S = 5.0


class TrackShares:
    """The hash ``tracks``. An asynchronous context manager, which ends its connection.

    Args:
        settings: where Redis is.
        shard: that is there; each has the same shares, for the connections that live on it.
    """

    def __init__(self, settings: LayerSettings, shard: int = 0) -> None:
        place = settings.places[shard]
        self._url = place.url
        self._key = Keys(settings.prefix, shard).tracks
        self._redis = connections.client(place, "trunkline-tracks", TIMEOUT_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._redis.aclose()

    async def all(self) -> tuple[list[Share], int]:
        """Every track that has a share or a worker, or had one lately; and Redis' clock in milliseconds.

        Raises:
            LayerUnavailable: Redis does not answer.
        """
        fields, (seconds, micros) = await self._ask(("HGETALL", self._key), ("TIME",))
        flat = [part for pair in fields.items() for part in pair] if isinstance(fields, dict) else fields
        return read_shares(flat), int(seconds) * 1000 + int(micros) // 1000

    async def set(self, track: str, percent: float) -> None:
        """Gives a track its share of new connections; 0 takes it away.

        Raises:
            LayerUnavailable: Redis does not answer.
        """
        if percent:
            await self._ask(("HSET", self._key, track, f"{percent:g}"))
        else:
            await self._ask(("HDEL", self._key, track))

    async def _ask(self, *commands: tuple[str, ...]) -> list[Any]:
        try:
            async with self._redis.pipeline(transaction=False) as calls:
                for command in commands:
                    calls.execute_command(*command)
                return list(await calls.execute())
        except (RedisError, OSError) as error:
            raise LayerUnavailable(
                f"cannot ask Redis for the tracks: {explained(error, self._url)}"
            ) from error
        except RuntimeError as error:
            raise await was_reset(self._redis, error) from error
