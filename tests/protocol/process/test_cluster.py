"""Cluster metrics: what any process tells of the whole when it is scraped."""

from __future__ import annotations

import asyncio

import pytest

from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.messages import ChannelStats, ClusterStats, DeadLetterRecord, LeaseInfo, ServerStats
from trunkline.protocol.names import RECEIVE, InterfaceId
from trunkline.protocol.process import cluster
from trunkline.protocol.process.cluster import ClusterMetrics
from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.redriving import Redriven


def _lease(identity: str, role: str) -> LeaseInfo:
    return LeaseInfo(identity, role, "host", 1, "", "0", 0.0)


STATS = ClusterStats(
    channels=[ChannelStats(RECEIVE, 7, 3, 1.5)],
    interfaces=[_lease("i1", "interface"), _lease("i2", "interface")],
    workers=[_lease("w1", "worker")],
    dead_letters=4,
    dead_trimmed=7,
    mailbox_lengths={InterfaceId("i1"): 9},
    delayed=5,
    delayed_ever=8,
    servers=(ServerStats("0", 1000, 4000, 2.5, 70, 6, append_failing=True),),
    skew_s=-0.25,
)


class Operator:
    """An operator layer that answers with `STATS`, or not at all."""

    def __init__(self) -> None:
        self.asked = 0
        self.up = True

    async def stats(self) -> ClusterStats:
        self.asked += 1
        if not self.up:
            raise LayerUnavailable("Redis is away")
        return STATS

    async def dead_letters(self, after: str = "", count: int = 100) -> list[DeadLetterRecord]:
        return []

    async def dead_letter(self, letter_id: str) -> DeadLetterRecord | None:
        return None

    async def redrive(self, letter_id: str) -> Redriven:
        return Redriven("missing")

    async def drop(self, letter_id: str) -> bool:
        return False

    async def close(self) -> None:
        pass


@pytest.fixture
def operator() -> Operator:
    return Operator()


@pytest.fixture
def metrics() -> MetricSet:
    return MetricSet()


def _lines(metrics: MetricSet) -> list[str]:
    return metrics.exposition().decode().splitlines()


async def test_a_scrape_shows_streams_leases_mailboxes_and_dead_letters(
    operator: Operator, metrics: MetricSet
) -> None:
    await ClusterMetrics(metrics, operator).refresh()

    shown = _lines(metrics)

    for line in (
        'trunkline_stream_length{channel="websocket.receive",shard="0"} 7.0',
        'trunkline_stream_pending{channel="websocket.receive",shard="0"} 3.0',
        'trunkline_stream_oldest_seconds{channel="websocket.receive",shard="0"} 1.5',
        "trunkline_live_interfaces 2.0",
        "trunkline_live_workers 1.0",
        "trunkline_stream_capacity 100000.0",
        "trunkline_mailbox_capacity 50000.0",
        'trunkline_clock_skew_seconds{shard="0"} -0.25',
        'trunkline_redis_memory_bytes{shard="0"} 1000.0',
        'trunkline_redis_memory_limit_bytes{shard="0"} 4000.0',
        'trunkline_redis_clients{shard="0"} 6.0',
        'trunkline_redis_append_failing{shard="0"} 1.0',
        'trunkline_redis_cpu_seconds_total{shard="0"} 2.5',
        'trunkline_redis_commands_total{shard="0"} 70.0',
        'trunkline_mailbox_length{interface="i1",shard="0"} 9.0',
        'trunkline_dead_letters_kept{shard="0"} 4.0',
        'trunkline_dead_letters_trimmed_total{shard="0"} 7.0',
        'trunkline_delayed_length{shard="0"} 5.0',
        'trunkline_delayed_total{shard="0"} 8.0',
        'trunkline_shard_interfaces{shard="0"} 2.0',
        'trunkline_shard_workers{shard="0"} 1.0',
    ):
        assert line in shown


async def test_while_the_layer_is_away_no_old_figure_is_shown(
    operator: Operator, metrics: MetricSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "FRESH_S", 0.0)
    cluster_metrics = ClusterMetrics(metrics, operator)
    await cluster_metrics.refresh()
    operator.up = False

    await cluster_metrics.refresh()

    shown = _lines(metrics)
    old = (
        "trunkline_stream_length",
        "trunkline_stream_oldest",
        "trunkline_mailbox_length",
        "trunkline_redis_",
        "trunkline_shard_",
        "trunkline_clock_skew_seconds",
        "trunkline_dead_letters_",
        "trunkline_delayed_",
    )
    assert not [line for line in shown if line.startswith(old)]
    for name in ("live_interfaces", "live_workers"):
        assert f"trunkline_{name} NaN" in shown


async def test_of_several_shards_each_that_answers_is_told_and_the_others_are_named_in_the_log(
    operator: Operator, metrics: MetricSet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = STATS._replace(channels=[ChannelStats(RECEIVE, 5, 1, 0.5)], dead_letters=1, skew_s=0.0)

    async def stats() -> ClusterStats:
        return STATS._replace(shards={0: STATS, 2: other}, away={1: "gone fishing"})

    monkeypatch.setattr(operator, "stats", stats)

    await ClusterMetrics(metrics, operator).refresh()

    shown = _lines(metrics)
    for line in (
        'trunkline_stream_length{channel="websocket.receive",shard="0"} 7.0',
        'trunkline_stream_length{channel="websocket.receive",shard="2"} 5.0',
        'trunkline_dead_letters_kept{shard="2"} 1.0',
        "trunkline_stream_capacity 100000.0",
    ):
        assert line in shown
    assert not [line for line in shown if 'shard="1"' in line]
    assert "no cluster metrics of shard 1: gone fishing" in caplog.text


async def test_scrapes_at_once_share_one_look(operator: Operator, metrics: MetricSet) -> None:
    cluster_metrics = ClusterMetrics(metrics, operator)

    await cluster_metrics.refresh()
    await cluster_metrics.refresh()

    assert operator.asked == 1


async def test_a_look_tells_what_a_scrape_would_show(operator: Operator, metrics: MetricSet) -> None:
    assert await ClusterMetrics(metrics, operator).look() == STATS


async def test_a_look_at_a_layer_that_is_away_tells_nothing(operator: Operator, metrics: MetricSet) -> None:
    operator.up = False

    assert await ClusterMetrics(metrics, operator).look() is None


async def test_a_look_waits_for_a_layer_only_so_long(
    operator: Operator, metrics: MetricSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "FRESH_S", 0.0)
    monkeypatch.setattr(cluster, "LOOK_LIMIT_S", 0.01)
    looking = ClusterMetrics(metrics, operator)
    assert await looking.look() == STATS

    async def never() -> ClusterStats:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(operator, "stats", never)

    assert await looking.look() is None


async def test_a_question_that_takes_longer_than_anybody_waits_is_answered_in_the_end(
    operator: Operator, metrics: MetricSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "FRESH_S", 0.0)
    monkeypatch.setattr(cluster, "LOOK_LIMIT_S", 0.01)
    looking, answered = ClusterMetrics(metrics, operator), asyncio.Event()

    async def late() -> ClusterStats:
        operator.asked += 1
        await answered.wait()
        return STATS

    monkeypatch.setattr(operator, "stats", late)
    assert [await looking.look() for _ in range(3)] == [None] * 3

    answered.set()

    monkeypatch.setattr(cluster, "LOOK_LIMIT_S", 10.0)
    assert await looking.look() == STATS
    assert operator.asked == 1
