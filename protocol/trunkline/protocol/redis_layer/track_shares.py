"""The shares of tracks, as an operator reads and sets them. Interface servers hear of a change within half a second."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, TypeVar

from redis.exceptions import RedisError

from ..errors import LayerUnavailable
from ..names import Keys
from ..redis_url import without_secrets
from ..settings import LayerSettings
from ..sharding.asking import Answers, ask_each, said
from ..tracks import Share, read_shares
from . import connections
from .plain import was_reset
from .refusals import explained

TIMEOUT_S = 5.0
T = TypeVar("T")


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
        alone = len(settings.places) == 1
        self._redis = connections.client(place, "trunkline-tracks", TIMEOUT_S, patient=alone)

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
            where = without_secrets(self._url)
            raise LayerUnavailable(
                f"cannot ask Redis at {where} for the tracks: {explained(error, self._url)}"
            ) from error
        except RuntimeError as error:
            raise await was_reset(self._redis, error) from error


class ShardedTrackShares:
    """The shares on every shard, which are the same on all. An asynchronous context manager, as `TrackShares`.

    Args:
        settings: where the shards are.
    """

    def __init__(self, settings: LayerSettings) -> None:
        self._shards = {shard: TrackShares(settings, shard) for shard in range(len(settings.places))}
        self._places = [without_secrets(place.url) for place in settings.places]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for shard in self._shards.values():
            await shard.__aexit__()

    async def all(self) -> tuple[list[Share], int]:
        """As `TrackShares.all`, of the first shard that answers; of a track's workers the newest lease of any shard.

        Raises:
            LayerUnavailable: none answers.
        """
        told = (await self._ask(lambda shard: shard.all())).told
        until_ms: dict[str, int] = {}
        for shares, _ in told.values():
            for share in shares:
                until_ms[share.name] = max(share.until_ms, until_ms.get(share.name, 0))
        shares, now_ms = told[min(told)]
        return [share._replace(until_ms=until_ms[share.name]) for share in shares], now_ms

    async def set(self, track: str, percent: float) -> None:
        """As `TrackShares.set`, on every shard.

        Raises:
            LayerUnavailable: a shard does not answer, the text names it; nothing was changed, unless that happened
                between two steps. To set it again is all there is to do.
        """
        away = (await self._ask(lambda shard: shard.all())).away
        if away:
            raise LayerUnavailable(said(away))
        away = (await self._ask(lambda shard: shard.set(track, percent))).away
        if away:
            raise LayerUnavailable(said(away))

    async def take(self, track: str) -> Mapping[int, str]:
        """Takes a track its share on the shards that answer. For one whose workers end: without a worker a share is
        worth nothing, so what another shard remembers does no harm.

        Returns:
            The shards that do not answer, each with the reason.

        Raises:
            LayerUnavailable: none answers.
        """
        return (await self._ask(lambda shard: shard.set(track, 0.0))).away

    async def _ask(self, ask: Callable[[TrackShares], Awaitable[T]]) -> Answers[T]:
        return await ask_each(self._shards, ask, places=self._places)
