"""What operators are told, also where somebody has written garbage."""

from __future__ import annotations

import time

import pytest

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty
from trunkline.protocol.errors import CodecError, LayerError
from trunkline.protocol.names import RECEIVE
from trunkline.protocol.redis_layer import RedisOperatorLayer


@pytest.fixture
def operator(faulty: Faulty) -> RedisOperatorLayer:
    return RedisOperatorLayer(faulty.settings)


async def test_the_server_says_what_matters_here_and_no_more(
    faulty: Faulty, operator: RedisOperatorLayer
) -> None:
    info = await operator.server_info()
    await operator.close()

    assert info["maxmemory_policy"] == "noeviction"
    assert info["aof_enabled"] == "0"
    assert int(info["redis_version"].partition(".")[0]) >= 6
    assert {"used_memory_human", "run_id"} <= set(info)
    assert len(info) <= 6


async def test_a_lease_whose_info_is_garbage_is_shown_and_hides_no_other(
    faulty: Faulty, operator: RedisOperatorLayer
) -> None:
    worker = await faulty.worker(RECEIVE)
    later_ms = int(time.time() * 1000) + 60_000
    for name, raw in ((b"x", b"\x01\xc1"), (b"\xff", b"\xff"), (b"bare", None)):
        faulty.client.zadd(faulty.keys.leases("worker"), {name: later_ms})
        if raw is not None:
            faulty.client.hset(faulty.keys.info(), name, raw)

    workers = {one.id: one for one in (await operator.stats()).workers}
    await operator.close()

    assert set(workers) == {worker.id, "x", "�"}
    assert workers[worker.id].detail == f"detail of {worker.id}"
    assert workers["x"].role == "worker"
    assert workers["x"].detail.startswith("garbage: expected")


async def test_a_channel_whose_name_is_garbage_hides_no_other(
    faulty: Faulty, operator: RedisOperatorLayer
) -> None:
    faulty.client.sadd(faulty.keys.channels, b"\xff", "jobs")

    channels = {one.channel: one for one in (await operator.stats()).channels}
    await operator.close()

    assert {"jobs", "�", RECEIVE} <= set(channels)
    assert channels[RECEIVE].length == 0


async def test_dead_letters_that_are_garbage_are_shown_with_their_bytes_and_go_nowhere(
    faulty: Faulty, operator: RedisOperatorLayer
) -> None:
    dead = faulty.keys.dead()
    faulty.client.xadd(dead, {"b": b"\x01\xc1"})
    faulty.client.xadd(dead, {"x": "y"})
    faulty.client.xadd(dead, {"failed": b"\xff", "body": body("0")})

    garbage, stranger, failed = await operator.dead_letters()

    assert (garbage.reason, garbage.body) == ("garbage", b"\x01\xc1")
    assert abs(garbage.time_s - time.time()) < 60
    assert (stranger.reason, stranger.channel, stranger.body) == ("channel_full", "", b"")
    assert (failed.reason, failed.error, failed.body) == ("effect_failed", "\\xff", body("0"))
    for letter in (garbage, stranger, failed):
        with pytest.raises(CodecError):
            await operator.redrive(letter.id)
    assert await operator.dead_letters() == [garbage, stranger, failed]
    await operator.close()


async def test_an_id_that_is_none_is_refused_or_found_nowhere(
    faulty: Faulty, operator: RedisOperatorLayer
) -> None:
    with pytest.raises(LayerError, match="expected an id as in"):
        await operator.dead_letters(after="the last")

    assert await operator.dead_letter("the last") is None
    assert await operator.redrive("1-1") is False
    assert await operator.drop("the last") is False
    await operator.close()
