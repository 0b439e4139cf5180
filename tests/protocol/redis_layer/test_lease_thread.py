"""The lease of a worker, kept by a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import redis

from tests.protocol.layer_harness import body, lease_info
from tests.protocol.redis_layer.conftest import Faulty
from tests.support.waiting import until
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.messages import Delivery
from trunkline.protocol.names import RECEIVE, Keys
from trunkline.protocol.redis_layer import RedisOperatorLayer
from trunkline.protocol.redis_layer.lease_thread import (
    INTERFACE_PATIENCE,
    RETURN_BEATS,
    Heartbeat,
    LeaseThread,
)
from trunkline.protocol.settings import LayerSettings
from trunkline.protocol.tracks import Share

DELIVERY = Delivery(RECEIVE, "1-1", b"", 1, 0.0)


def raises(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


@contextmanager
def lease_on(settings: LayerSettings) -> Iterator[tuple[LeaseThread, list[Heartbeat]]]:
    beats: list[Heartbeat] = []
    lease = LeaseThread(
        settings, settings.place, Keys(settings.prefix), lease_info("w0", "worker"), beats.append
    )
    try:
        yield lease, beats
    finally:
        lease.stop()


@asynccontextmanager
async def scripted(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A lease whose heartbeats are counted and may be made to fail."""

    class Case:
        fault: Exception | None = None
        ticks = 0

    case = Case()
    with lease_on(faulty.settings) as (lease, beats):
        tick = lease._tick

        def counted() -> Heartbeat:
            case.ticks += 1
            if case.fault is not None:
                raise case.fault
            return tick()

        monkeypatch.setattr(lease, "_tick", counted)
        case.beats = beats  # type: ignore[attr-defined]
        lease.start()
        yield case


async def test_a_lease_is_renewed_until_it_is_stopped(faulty: Faulty) -> None:
    with lease_on(faulty.settings) as (lease, beats):
        first = lease.first()
        lease.start()
        await until(lambda: len(beats) >= 2)
        operator = RedisOperatorLayer(faulty.settings)
        assert [one.id for one in (await operator.stats()).workers] == ["w0"]
        await operator.close()

    assert first.redis_ms < beats[0].redis_ms < beats[1].redis_ms
    assert not first.claimable
    lease.stop()  # a second time changes nothing


async def test_a_fault_that_nobody_expected_does_not_end_the_renewing(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with scripted(faulty, monkeypatch) as case:
        await until(lambda: case.beats)
        case.fault = ZeroDivisionError("unexpected")
        ticks = case.ticks
        await until(lambda: case.ticks >= ticks + 2)
        case.fault = None
        beats = len(case.beats)

        await until(lambda: len(case.beats) > beats)

    assert "w0 failed to renew its lease" in caplog.text
    assert "ZeroDivisionError: unexpected" in caplog.text


async def test_a_redis_that_does_not_answer_is_told_of_once(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with scripted(faulty, monkeypatch) as case:
        case.fault = OSError("gone")
        await until(lambda: case.ticks >= 3)
        case.fault = None
        await until(lambda: case.beats)

    assert caplog.text.count("cannot renew its lease: gone") == 1


async def test_scripts_that_redis_forgot_are_sent_whole(faulty: Faulty) -> None:
    with lease_on(faulty.settings) as (lease, _):
        lease.first()
        faulty.client.script_flush()

        assert lease.first().redis_ms > 0


async def test_without_a_redis_each_call_says_what_it_could_not_do() -> None:
    settings = LayerSettings.model_validate({"redis_url": "unix:///nonexistent/redis.sock"})
    with lease_on(settings) as (lease, _):
        with pytest.raises(LayerUnavailable, match="cannot reach Redis"):
            lease.first()
        with pytest.raises(LayerUnavailable, match="cannot commit"):
            lease.commit([], [])
        with pytest.raises(LayerUnavailable, match="cannot hand entries back"):
            lease.give_back([DELIVERY])


async def test_a_heartbeat_after_the_event_loop_is_gone_disturbs_nobody(faulty: Faulty) -> None:
    worker = await faulty.worker(RECEIVE)
    layer = worker.redis_layer
    other = asyncio.new_event_loop()
    other.close()
    loop, layer._loop = layer._loop, other

    layer._heartbeat_from_thread(Heartbeat(0, 0.0, True, []))

    layer._loop = loop
    assert not layer._takeover.claimable


class Loop:
    """Notes how often it is woken."""

    def __init__(self) -> None:
        self.woken: list[Heartbeat] = []

    def is_closed(self) -> bool:
        return False

    def call_soon_threadsafe(self, call: Callable[[Heartbeat], None], beat: Heartbeat) -> None:
        self.woken.append(beat)
        call(beat)


async def test_only_a_heartbeat_with_news_wakes_the_event_loop(faulty: Faulty) -> None:
    layer = (await faulty.worker(RECEIVE)).redis_layer
    layer._lease.stop()
    loop, layer._loop = layer._loop, Loop()  # type: ignore[assignment]
    orphan = Share("canary", 10.0, 5)

    quiet = Heartbeat(9_000, 8.0, False, [])
    claimable = quiet._replace(claimable=True)
    over = quiet._replace(redis_ms=9_500)
    orphaned = quiet._replace(shares=[orphan])
    for beat in (quiet, quiet, claimable, over, over, orphaned, orphaned, quiet):
        layer._heartbeat_from_thread(beat)
        assert layer._deliveries.clock_ms == beat.redis_ms - 8000

    woken, layer._loop = layer._loop.woken, loop  # type: ignore[attr-defined]
    assert woken == [claimable, over, orphaned, quiet]
    assert not layer._takeover.claimable


async def test_entries_handed_back_are_anybodys_and_were_not_begun(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"))
    delivery = await worker.take_one()
    worker.space = 0

    await worker.give_back(delivery, DELIVERY)  # the second is not its own
    other = await faulty.worker(RECEIVE)

    taken = await other.take_one(10)
    assert (taken.body, taken.attempt) == (body("0"), 1)


@pytest.mark.parametrize(("away", "beats"), [(False, 0), (True, RETURN_BEATS)])
async def test_behind_a_time_without_redis_interface_servers_have_more_time_to_come_back(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, away: bool, beats: int
) -> None:
    keys = Keys(faulty.settings.prefix)
    with (
        lease_on(faulty.settings) as (lease, _),
        redis.Redis.from_url(faulty.settings.redis_url) as data,
        monkeypatch.context() as broken,
    ):
        lease._renew()
        if away:
            broken.setattr(lease, "_call", raises(redis.ConnectionError()))
            lease._renew()
            broken.undo()
        data.zadd(keys.leases("interface"), {"i0": 1})
        data.hset(keys.published(), "i0", "1")

        seen_away = 0
        while data.zscore(keys.leases("interface"), "i0") is not None:
            lease._renew()
            seen_away += 1

    assert seen_away == INTERFACE_PATIENCE + beats + 1


async def test_the_longer_time_ends_with_those_who_are_back(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lease_on(faulty.settings) as (lease, _):
        monkeypatch.setattr(lease, "_call", raises(redis.ConnectionError()))
        lease._renew()
        monkeypatch.undo()
        patience: list[int] = []
        call = lease._call

        def noted(script: str, keys: list[str], args: list[Any]) -> Any:
            patience.append(args[7])
            return call(script, keys, args)

        monkeypatch.setattr(lease, "_call", noted)
        longer = INTERFACE_PATIENCE + RETURN_BEATS
        for _ in range(longer + 2):
            lease._renew()

    assert patience == [*[longer] * (longer + 1), INTERFACE_PATIENCE]
