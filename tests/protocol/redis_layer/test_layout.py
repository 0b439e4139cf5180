"""The layout as the shards hold it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from redis.asyncio.connection import AbstractConnection

from tests.protocol.redis_layer.conftest import Faulty
from trunkline.protocol.errors import ConfigError, LayerUnavailable
from trunkline.protocol.messages import DeadLetter
from trunkline.protocol.names import Keys
from trunkline.protocol.redis_layer import shards
from trunkline.protocol.redis_layer.layout import RedisLayout
from trunkline.protocol.redis_layer.sender import RedisSender
from trunkline.protocol.settings import LayerSettings


@pytest.fixture
def two(faulty: Faulty) -> LayerSettings:
    """Settings of two shards on one Redis, in two databases."""
    url = faulty.settings.redis_url
    return faulty.settings.model_copy(update={"redis_url": f"{url}?db=1,{url}?db=2"})


@pytest.fixture
async def layout(two: LayerSettings) -> AsyncIterator[RedisLayout]:
    made = shards.layout(two)
    yield made
    await made.close()


async def test_a_deployment_of_one_shard_leaves_no_record(faulty: Faulty) -> None:
    await shards.agree(faulty.settings)
    assert not faulty.client.keys(f"{faulty.keys.base}*")


async def test_all_shards_hold_the_same_record(layout: RedisLayout, two: LayerSettings) -> None:
    assert await layout.used() is None
    assert await layout.agree() == 2
    assert await layout.agree() == 2
    assert await layout.used() == 2
    found = [await one.find() for one in layout._shards]
    assert found[0].records[0].id == found[1].records[1].id


async def test_a_record_that_is_just_being_written_tells_nothing(
    layout: RedisLayout, two: LayerSettings
) -> None:
    await layout.agree()
    place = two.redis_url.partition(",")[0]
    with closing(redis.Redis.from_url(place)) as client:
        before = client.hget(Keys(two.prefix).layout, "id")
        client.hdel(Keys(two.prefix).layout, "id")

        assert await layout.agree() == 2

        assert client.hget(Keys(two.prefix).layout, "id") == before


async def test_a_living_cluster_of_one_shard_lets_newcomers_on_the_second_when_it_is_told_to(
    layout: RedisLayout, two: LayerSettings
) -> None:
    first = two.model_copy(update={"redis_url": two.redis_url.partition(",")[0]})
    with closing(redis.Redis.from_url(first.redis_url)) as client:
        client.zadd(Keys(two.prefix).leases("worker"), {"w1": 1})
    assert await layout.agree() == 1

    await layout.use(2)

    assert await layout.used() == 2
    with pytest.raises(ConfigError, match="2 are in use"):
        await shards.agree(first)


async def test_urls_in_another_order_are_refused(layout: RedisLayout, two: LayerSettings) -> None:
    await layout.agree()
    one, other = two.redis_url.split(",")
    with pytest.raises(ConfigError, match="holds shard"):
        await shards.agree(two.model_copy(update={"redis_url": f"{other},{one}"}))


async def test_a_shard_that_does_not_answer_is_told(two: LayerSettings, tmp_path: Path) -> None:
    nobody = f"unix://{tmp_path / 'nobody'}"
    half = two.model_copy(update={"redis_url": f"{two.redis_url.partition(',')[0]},{nobody}"})
    with pytest.raises(LayerUnavailable, match="cannot reach Redis at unix://"):
        await shards.agree(half)

    # While a process runs any shard may tell.
    turned = shards.layout(
        two.model_copy(update={"redis_url": f"{nobody},{two.redis_url.partition(',')[0]}"})
    )
    assert await turned.used() is None
    await turned.close()
    gone = shards.layout(two.model_copy(update={"redis_url": f"{nobody},{nobody}2"}))
    assert await gone.used() is None
    await gone.close()


async def test_a_worker_agrees_with_those_that_answer_once_one_of_them_knows_the_layout(
    layout: RedisLayout, two: LayerSettings, tmp_path: Path
) -> None:
    first, second = two.redis_url.split(",")
    nobody = f"unix://{tmp_path / 'nobody'}"
    half = two.model_copy(update={"redis_url": f"{nobody},{second}"})
    with pytest.raises(LayerUnavailable, match="no shard that answers tells"):
        await shards.agree_with_some(half)

    assert await layout.agree() == 2

    with pytest.raises(LayerUnavailable, match="shard 0: cannot reach Redis"):
        await shards.agree(half)  # as an interface server does
    away = await shards.agree_with_some(half)
    assert list(away) == [0] and f"cannot reach Redis at {nobody}" in away[0]
    assert await shards.agree_with_some(two) == {}
    for wrong in (f"{nobody},{first}", f"{second},{nobody}"):
        with pytest.raises(ConfigError, match="holds shard"):
            await shards.agree_with_some(two.model_copy(update={"redis_url": wrong}))
    with pytest.raises(LayerUnavailable, match=r"shard 0: .* shard 1: "):
        await shards.agree_with_some(two.model_copy(update={"redis_url": f"{nobody},{nobody}2"}))
    gone = shards.layout(half)
    for change in (gone.use(2), gone.alive()):
        with pytest.raises(LayerUnavailable, match=r"cannot reach Redis at unix://.*nobody"):
            await change
    await gone.close()


async def test_shards_that_are_given_up_are_forgotten_and_fewer_may_begin(
    layout: RedisLayout, two: LayerSettings
) -> None:
    first, second = two.redis_url.split(",")
    await layout.agree()
    keys = Keys(two.prefix, 1)
    with closing(redis.Redis.from_url(second)) as client:
        client.zadd(keys.leases("worker"), {"w1": 1})
        client.zadd(keys.leases("interface"), {"i1": 1})
        client.zadd(keys.reaping, {"i2": 1})
        assert not await layout.alive()
        assert await layout.unburied() == [0, 0]
        client.hset(keys.registry("i2"), "c1", b"x")
        client.zadd(keys.leases("worker"), {"w1": "+inf"})
    assert await layout.alive()
    assert await layout.unburied() == [0, 1]

    await layout.use(1)
    await layout.forget(1)

    await shards.agree(two.model_copy(update={"redis_url": first}))
    assert await layout.agree() == 1


async def test_who_sends_from_outside_takes_a_shard_that_is_in_use(
    layout: RedisLayout, two: LayerSettings
) -> None:
    sender = shards.sender(two)
    with pytest.raises(LayerUnavailable, match="none of the 2 shards"):
        sender.apply([DeadLetter(b"x")])

    await layout.agree()
    for _ in range(8):
        sender.apply([DeadLetter(b"x")])
    sender.close()

    operator = shards.operator_layer(two)
    assert (await operator.stats()).dead_letters == 8
    await operator.close()


async def test_waits_are_asked_of_every_shard(two: LayerSettings) -> None:
    waits = shards.QueueWaits(two)
    assert await waits.waits_s() == {}
    await waits.close()
    assert shards.count(two) == len(shards.interface_layers(two)) == 2


async def test_what_uvloop_raises_of_a_connection_that_was_reset_is_told(
    layout: RedisLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reset(*_: object, **__: object) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    with monkeypatch.context() as patch:
        patch.setattr(AbstractConnection, "send_packed_command", reset)
        with pytest.raises(LayerUnavailable, match="the handler is closed"):
            await layout.agree()
    assert await layout.agree() == 2


async def test_a_connection_that_uvloop_finds_reset_is_a_shard_that_does_not_answer(
    layout: RedisLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reset(*_: object) -> None:
        raise RuntimeError("the transport is closed")

    monkeypatch.setattr(layout._shards[1]._redis, "hgetall", reset)
    with pytest.raises(LayerUnavailable, match="was reset"):
        await layout.agree()


def test_a_shard_that_is_away_is_none_to_send_by(two: LayerSettings) -> None:
    away = two.model_copy(
        update={"redis_url": f"{two.redis_url.partition(',')[0]},unix:///nowhere/redis.sock"}
    )
    assert not RedisSender(away, 1).answers()
