"""The shares of tracks as an operator sets and reads them."""

from __future__ import annotations

from contextlib import closing

import pytest
import redis

from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.names import Keys
from trunkline.protocol.redis_layer.track_shares import ShardedTrackShares, TrackShares
from trunkline.protocol.settings import LayerSettings
from trunkline.protocol.tracks import Share

from .conftest import Faulty


async def test_a_share_is_there_until_it_is_taken_away(faulty: Faulty) -> None:
    async with TrackShares(faulty.settings) as shares:
        await shares.set("v2", 12.5)
        found, now_ms = await shares.all()
        assert found == [Share("v2", 12.5, 0)]
        seconds, _ = faulty.client.time()
        assert abs(now_ms - seconds * 1000) < 60_000

        await shares.set("v2", 0)
        assert (await shares.all())[0] == []


async def test_a_redis_that_does_not_answer_is_said(faulty: Faulty) -> None:
    settings = LayerSettings.model_validate({"redis_url": "unix:///nowhere/redis.sock"})

    async with TrackShares(settings) as shares:
        with pytest.raises(
            LayerUnavailable, match=r"cannot ask Redis at unix:///nowhere/redis.sock for the tracks"
        ):
            await shares.set("v2", 5)


async def test_a_connection_that_uvloop_finds_reset_is_said_too(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TrackShares(faulty.settings) as shares:

        def reset(**_: object) -> None:
            raise RuntimeError("the transport is closed")

        monkeypatch.setattr(shares._redis, "pipeline", reset)
        with pytest.raises(LayerUnavailable, match="was reset"):
            await shares.all()


async def test_of_several_shards_each_has_the_share_and_a_worker_on_any_keeps_its_track(
    faulty: Faulty,
) -> None:
    url = faulty.settings.redis_url
    two = faulty.settings.model_copy(update={"redis_url": f"{url}?db=1,{url}?db=2"})
    async with ShardedTrackShares(two) as shares, TrackShares(two, 1) as second:
        await shares.set("v2", 20)
        with closing(redis.Redis.from_url(f"{url}?db=2")) as client:
            client.hset(Keys(two.prefix, 1).tracks, "v2!until", 77)

        assert (await shares.all())[0] == [Share("v2", 20.0, 77)]
        assert (await second.all())[0] == [Share("v2", 20.0, 77)]
        assert await shares.take("v2") == {}
        assert (await second.all())[0] == [Share("v2", 0.0, 77)]


async def test_while_a_shard_is_away_shares_are_read_and_taken_away_and_not_given(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = faulty.settings.redis_url
    half = faulty.settings.model_copy(update={"redis_url": f"{url}?db=1,unix:///nowhere/redis.sock"})
    async with ShardedTrackShares(half) as shares, TrackShares(half) as first:
        await first.set("v2", 20)

        with pytest.raises(LayerUnavailable, match=r"shard 1: cannot ask Redis at unix://"):
            await shares.set("v2", 50)

        assert (await shares.all())[0] == [Share("v2", 20.0, 0)]
        assert list(await shares.take("v2")) == [1]
        assert (await first.all())[0] == []

        # One that goes away between the look and the change is told, too.
        async def answers() -> tuple[list[Share], int]:
            return [], 0

        monkeypatch.setattr(shares._shards[1], "all", answers)
        with pytest.raises(LayerUnavailable, match="shard 1: cannot ask"):
            await shares.set("v2", 50)
