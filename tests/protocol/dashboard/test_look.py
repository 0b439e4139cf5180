"""The look at a cluster: real figures over real admin servers, and a first look that tells of now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from trunkline.protocol.dashboard.look import OLD_S, ClusterLook
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.messages import ClusterStats, LeaseInfo
from trunkline.protocol.process.admin import AdminServer
from trunkline.protocol.process.facts import Facts
from trunkline.protocol.process.metrics import Counter, MetricSet


class Operator:
    """Somebody who knows which processes there are; the rest is an empty in-memory layer's."""

    def __init__(self, leases: list[LeaseInfo]) -> None:
        self.leases = leases
        self.away = False
        self._bus = MemoryBus().operator()

    def __getattr__(self, name: str) -> object:
        return getattr(self._bus, name)

    async def stats(self) -> ClusterStats:
        if self.away:
            raise LayerUnavailable("Redis is away")
        return ClusterStats([], self.leases, [], 0, {})


class Scene:
    """A cluster of one interface server that was busy once, and the naps that the look took."""

    def __init__(self, operator: Operator, frames: Counter) -> None:
        self.operator = operator
        self.naps: list[float] = []
        self.examined = 0
        self.frames = frames
        self.look = ClusterLook(operator, self.examine, self.nap)  # type: ignore[arg-type]

    def examine(self, facts: Facts) -> list[dict[str, Any]]:
        self.examined += 1
        return [{"check": "silent", "where": facts.processes[0].id}]

    async def nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.frames.value += 5


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with AsyncExitStack() as ends:
        metrics = MetricSet()
        frames = metrics.counter("messages_in", "Frames.")
        frames.value = 10**9
        admin = AdminServer("127.0.0.1", 0, metrics=metrics, ready=lambda: None)
        lease = LeaseInfo("i1", "interface", "here", 7, await admin.start(), "0", 0.0)
        ends.push_async_callback(admin.stop)
        scene = Scene(Operator([lease]), frames)
        ends.push_async_callback(scene.look.close)
        yield scene


async def test_the_first_look_is_two_so_that_rates_are_those_of_now(scene: Scene) -> None:
    shown = await scene.look()

    assert scene.naps == [0.5]
    # 5 in the nap, which took no time here; not the thousand million since 1970
    assert 0 < shown["totals"]["in_per_s"] < 1e6
    assert [(item["id"], item["answers"]) for item in shown["processes"]] == [("i1", True)]
    assert shown["messages"] == []  # nothing is sampled there


async def test_the_next_look_is_one(scene: Scene) -> None:
    await scene.look()
    await scene.look()

    assert len(scene.naps) == 1


async def test_a_look_long_after_the_last_is_two_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.look()
    monkeypatch.setattr("trunkline.protocol.dashboard.look.OLD_S", OLD_S * 0)
    await scene.look()

    assert len(scene.naps) == 2


async def test_while_redis_is_away_it_says_so_at_once(scene: Scene) -> None:
    scene.operator.away = True
    shown = await scene.look()

    assert (shown["trouble"], shown["processes"], scene.naps) == ("Redis is away", [], [])


async def test_it_is_examined_now_and_then_and_what_was_found_stays_until_the_next_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(await scene.look())["findings"] for _ in range(3)]
    assert found == [[{"check": "silent", "where": "i1"}]] * 3 and scene.examined == 1

    monkeypatch.setattr("trunkline.protocol.dashboard.look.EXAMINED_S", 0.0)
    await scene.look()
    assert scene.examined == 2
    scene.operator.away = True
    await scene.look()
    assert scene.examined == 2


async def test_where_nobody_knows_what_is_wrong_nothing_is_said(scene: Scene) -> None:
    look = ClusterLook(scene.operator, sleep=scene.nap)  # type: ignore[arg-type]
    assert (await look())["findings"] == []
    await look.close()


async def test_closing_twice_is_no_matter(scene: Scene) -> None:
    await scene.look()
    await scene.look.close()
    await scene.look.close()
