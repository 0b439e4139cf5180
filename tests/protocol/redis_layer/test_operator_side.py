"""What operators are told, also where somebody has written garbage."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis
from redis.asyncio.connection import AbstractConnection

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty
from trunkline.protocol.codec import encode_dead_letter, encode_entry
from trunkline.protocol.errors import CodecError, LayerError, LayerUnavailable
from trunkline.protocol.messages import DeadLetterRecord, Entry
from trunkline.protocol.names import RECEIVE, ChannelName, ConnectionId, InterfaceId, reply_name
from trunkline.protocol.redis_layer import RedisOperatorLayer
from trunkline.protocol.redriving import Redriven
from trunkline.protocol.tracks import on_track

Ask = Callable[[RedisOperatorLayer], Awaitable[object]]


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


async def test_what_stands_in_place_of_a_stream_is_said(faulty: Faulty, operator: RedisOperatorLayer) -> None:
    faulty.client.set(faulty.keys.stream(RECEIVE), "no stream")

    with pytest.raises(LayerUnavailable, match="WRONGTYPE"):
        await operator.stats()
    await operator.close()


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

    assert (garbage.reason, garbage.body) == ("unreadable", b"\x01\xc1")
    assert abs(garbage.time_s - time.time()) < 60
    assert (stranger.reason, stranger.channel, stranger.body) == ("unreadable", "", b"")
    assert "the fields x" in stranger.error
    assert (failed.reason, failed.error, failed.body) == ("effect_failed", "\\xff", body("0"))
    for letter in (garbage, stranger, failed):
        with pytest.raises(CodecError):
            await operator.redrive(letter.id)
    assert await operator.dead_letters() == [garbage, stranger, failed]
    await operator.close()


async def test_letters_of_a_track_are_of_its_channel(faulty: Faulty, operator: RedisOperatorLayer) -> None:
    dead, kept_in = faulty.keys.dead(), on_track(RECEIVE, "v2")
    faulty.client.xadd(dead, {"failed": "T: WRONGTYPE", "body": body("0"), "channel": kept_in})
    faulty.client.xadd(dead, {"full": kept_in, "body": body("0")})

    assert [letter.channel for letter in await operator.dead_letters()] == [RECEIVE, RECEIVE]
    await operator.close()


@pytest.mark.parametrize("verb", ["redrive", "drop"])
async def test_a_change_whose_answer_is_lost_is_made_once_and_told_as_done(
    faulty: Faulty, operator: RedisOperatorLayer, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    entry = Entry(RECEIVE, reply_name(InterfaceId("i1"), ConnectionId("c")), "/", 1, ["text"])
    record = DeadLetterRecord("", "error", RECEIVE, encode_entry(entry), "", "", "", 1, "", b"", 1.0)
    faulty.client.xadd(faulty.keys.dead(), {"b": encode_dead_letter(record)})
    (letter,) = await operator.dead_letters()
    answer = operator._redis.eval
    lost = iter([True])

    async def unheard(*args: Any) -> Any:
        said = await answer(*args)
        if next(lost, False):
            raise redis.exceptions.ConnectionError("the answer was lost")
        return said

    monkeypatch.setattr(operator._redis, "eval", unheard)

    if verb == "redrive":
        assert await operator.redrive(letter.id) == Redriven("put_back", gone=True)
        assert len(faulty.bodies(RECEIVE)) == 1
    else:
        assert await operator.drop(letter.id) is True
    assert await operator.dead_letters() == []
    await operator.close()


async def test_a_letter_that_cannot_be_put_back_now_stays(
    faulty: Faulty, operator: RedisOperatorLayer
) -> None:
    jobs = ChannelName("jobs")
    record = DeadLetterRecord("", "error", jobs, body("0"), "", "", "", 1, "", b"", 1.0)
    faulty.client.xadd(faulty.keys.dead(), {"b": encode_dead_letter(record)})
    faulty.client.set(faulty.keys.stream("jobs"), "of another type")
    (letter,) = await operator.dead_letters()

    with pytest.raises(LayerUnavailable, match="WRONGTYPE"):
        await operator.redrive(letter.id)

    assert await operator.dead_letters() == [letter]
    await operator.close()


async def test_an_id_that_is_none_is_refused_or_found_nowhere(
    faulty: Faulty, operator: RedisOperatorLayer
) -> None:
    with pytest.raises(LayerError, match="expected an id as in"):
        await operator.dead_letters(after="the last")

    assert await operator.dead_letter("the last") is None
    assert await operator.redrive("1-1") == Redriven("missing")
    assert await operator.drop("the last") is False
    await operator.close()


@pytest.mark.parametrize("ask", [lambda operator: operator.stats(), lambda operator: operator.drop("1-1")])
async def test_a_connection_that_was_reset_under_redis_py_is_made_again(
    operator: RedisOperatorLayer, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    async def reset(*_: object, **__: object) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    before = await operator.stats()
    with monkeypatch.context() as patch:
        patch.setattr(AbstractConnection, "send_packed_command", reset)
        with pytest.raises(LayerUnavailable, match="the handler is closed"):
            await ask(operator)

    after = await operator.stats()
    assert after._replace(servers=(), skew_s=0.0) == before._replace(servers=(), skew_s=0.0)
    await operator.close()
