"""Loads are shared, decisions agreed on, whoever is asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

import pytest
import redis.asyncio

from tests.protocol.process.facts.make import a_lease
from tests.support.waiting import until
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.layer import OperatorLayer
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.messages import ChannelStats, ClusterStats
from trunkline.protocol.names import RECEIVE, Keys
from trunkline.protocol.process import scaling
from trunkline.protocol.process.cluster import ClusterMetrics
from trunkline.protocol.process.desired import Load, Targets
from trunkline.protocol.process.facts.samples import Samples
from trunkline.protocol.process.logs import RateLimited
from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.process.scaling import Reporter, Shared, decide, targets_of
from trunkline.protocol.redis_layer import RedisOperatorLayer
from trunkline.protocol.settings import LayerSettings, ScalingSettings


@pytest.fixture
async def operator(layer_settings: LayerSettings) -> AsyncIterator[RedisOperatorLayer]:
    made = RedisOperatorLayer(layer_settings)
    yield made
    await made.close()


class Told:
    """An operator's side that shares what a test sets."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.reported: list[tuple[str, Load]] = []
        self.up = True

    async def report_load(self, identity: str, load: Load) -> None:
        if not self.up:
            raise LayerUnavailable("Redis is away")
        self.reported.append((identity, load))

    async def shared_loads(self, ids: Sequence[str], channels: Sequence[str]) -> Shared:
        return self.shared

    async def agree(self, found: Mapping[str, int], hold_s: float) -> dict[str, int]:
        return dict(found)


async def test_loads_and_waits_are_shared(
    operator: RedisOperatorLayer, layer_settings: LayerSettings
) -> None:
    await operator.report_load("w1", Load(0.5, 10.0))
    async with redis.asyncio.Redis.from_url(layer_settings.redis_url) as client:
        keys = Keys(layer_settings.prefix)
        await client.set(keys.load("w2"), b"garbage")
        assert 0 < await client.pttl(keys.load("w1")) <= scaling.FORGOTTEN_S * 1000
        await client.xgroup_create(keys.stream(RECEIVE), keys.consumer_group, mkstream=True)
        await client.xadd(keys.stream(RECEIVE), {"b": b"x"}, id="1000-0")

    shared = await operator.shared_loads(["w1", "w2", "w3"], [RECEIVE, "other"])

    assert shared.loads == {"w1": Load(0.5, 10.0, 0)}
    assert shared.waits_s.keys() == {RECEIVE} and shared.waits_s[RECEIVE] > 1e9
    assert shared.now_s > 1.7e9
    assert (await operator.shared_loads([], [])).loads == {}


async def test_the_most_of_the_last_while_is_agreed_on(
    operator: RedisOperatorLayer, layer_settings: LayerSettings
) -> None:
    assert await operator.agree({"worker": 3, "interface": 2}, 300.0) == {"worker": 3, "interface": 2}
    assert await operator.agree({"worker": 5, "interface": 1}, 300.0) == {"worker": 5, "interface": 2}
    assert await operator.agree({"worker": 1, "interface": 1}, 300.0) == {"worker": 5, "interface": 2}
    assert await operator.agree({"worker": 1, "interface": 1}, 0.0) == {"worker": 1, "interface": 1}
    assert await operator.agree({"worker": 2, "interface": 1}, 300.0) == {"worker": 2, "interface": 1}


async def test_what_is_too_old_or_of_a_clock_that_went_back_is_forgotten(
    operator: RedisOperatorLayer, layer_settings: LayerSettings
) -> None:
    async with redis.asyncio.Redis.from_url(layer_settings.redis_url) as client:
        key = Keys(layer_settings.prefix).desired
        now = (await client.time())[0] // 10
        values: Any = {f"worker:{now - 30}": 9, f"worker:{now + 500}": 9, "other": 9, f"worker:{now - 2}": 4}
        await client.hset(key, mapping=values)

        assert await operator.agree({"worker": 1}, 300.0) == {"worker": 4}
        assert set(await client.hkeys(key)) >= {f"worker:{now - 2}".encode()}
        assert not {b"other", f"worker:{now - 30}".encode()} & set(await client.hkeys(key))


async def test_a_decision_takes_loads_queues_and_silent_workers() -> None:
    young = a_lease("w4")._replace(started_s=999_995.0)
    workers = [a_lease(name)._replace(started_s=0.0) for name in ("w1", "w2", "w3")]
    shared = Shared(
        1e6, {"w1": Load(1.0, 20.0), "w2": Load(1.0, 20.0), "i1": Load(0.1, 0, 25)}, {RECEIVE: 2.0}
    )
    channels = [ChannelStats(RECEIVE, 170, 10, 2.0), ChannelStats(RECEIVE, 5, 7, 2.0)]
    stats = ClusterStats(channels, [a_lease("i1")], [*workers, young], 0, {})

    found = await decide(Told(shared), stats, Targets(busy=1.0, connections=10))

    # 80 arrive a second, a worker takes 13 (one of three is silent); 160 wait.
    assert found == {"worker": 8 + 0, "interface": 3}


def test_what_several_redises_know_is_one() -> None:
    first = Shared(5.0, {"w1": Load(0.5)}, {RECEIVE: 1.0, "a": 3.0})
    other = Shared(9.0, {"w1": Load(0.9), "w2": Load(0.1)}, {RECEIVE: 2.0, "b": 1.0})

    assert first.besides(other) == Shared(
        5.0, {"w1": Load(0.5), "w2": Load(0.1)}, {RECEIVE: 2.0, "a": 3.0, "b": 1.0}
    )


def test_targets_are_as_they_are_set() -> None:
    settings = ScalingSettings.model_validate({"target_wait_ms": 50, "min_workers": 2, "scale_down_s": 10})

    assert targets_of(settings) == Targets(0.05, 0.7, 10_000, 2, 1, 10.0)
    assert targets_of(ScalingSettings.model_validate({})) == Targets()


async def test_every_process_that_is_scraped_tells_the_same(
    operator: RedisOperatorLayer, layer_settings: LayerSettings
) -> None:
    texts = []
    other = RedisOperatorLayer(layer_settings)
    for layer, least in ((operator, 7), (other, 1)):
        metrics = MetricSet()
        await ClusterMetrics(metrics, layer, Targets(min_workers=least)).refresh()
        texts.append(Samples(metrics.exposition().decode()))
    await other.close()

    assert [text.value("trunkline_desired_workers") for text in texts] == [7.0, 7.0]
    assert [text.value("trunkline_desired_interfaces") for text in texts] == [1.0, 1.0]


async def test_a_layer_that_shares_nothing_has_no_figure() -> None:
    metrics = MetricSet()
    await ClusterMetrics(metrics, MemoryBus().operator()).refresh()

    # An autoscaler would take NaN, or 0, for an answer.
    assert Samples(metrics.exposition().decode()).value("trunkline_desired_workers") is None
    assert "\ntrunkline_desired_workers " not in metrics.exposition().decode()


async def test_a_process_tells_its_load_as_long_as_it_has_a_name(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scaling, "_warnings", RateLimited(logging.getLogger("trunkline.test")))
    told, names, beats = Told(Shared(0.0)), iter(["", "i1", "i2"]), 0

    async def sleep(_: float) -> None:
        nonlocal beats
        beats += 1
        told.up = beats < 2
        if beats == 3:
            await asyncio.Event().wait()

    reporter = Reporter(cast("OperatorLayer", told), lambda: next(names), lambda _: Load(0.5), sleep)
    task = asyncio.create_task(reporter.run())
    await until(lambda: beats == 3)
    task.cancel()

    assert told.reported == [("i1", Load(0.5))]
    assert "cannot tell this process's load: Redis is away" in caplog.text


async def test_a_layer_that_shares_nothing_is_told_nothing() -> None:
    beats = 0

    async def sleep(_: float) -> None:
        nonlocal beats
        beats += 1
        if beats == 3:
            raise asyncio.CancelledError

    reporter = Reporter(MemoryBus().operator(), lambda: "i1", lambda _: Load(0.5), sleep)
    with pytest.raises(asyncio.CancelledError):
        await reporter.run()
