"""The shares of tracks as an operator sets and reads them."""

from __future__ import annotations

import pytest

from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.redis_layer.track_shares import TrackShares
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
        with pytest.raises(LayerUnavailable, match="cannot ask Redis for the tracks"):
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
