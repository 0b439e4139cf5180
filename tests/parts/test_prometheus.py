"""A real Prometheus beside a real cluster: it finds the processes by itself, and its figures are right."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.cluster import Cluster, cluster_of, trunkline
from tests.support.commands import ROOT
from tests.support.load import Load
from tests.support.programs import program
from tests.support.prometheus import Prometheus, asking
from tests.support.waiting import until
from trunkline.deploy import supervisor

pytestmark = [pytest.mark.parts, pytest.mark.timeout(1200)]

DASHBOARD = ROOT / "deploy" / "grafana" / "trunkline.json"
WITHIN_S = 120.0
"""For what takes two or three scrapes; on a busy machine many of them come to nothing."""
VARIABLES = {"$deployment": ".*", "$__rate_interval": "1m"}
HANDLED = 'trunkline_messages_total{channel="websocket.receive", outcome="ok"}'


async def test_a_cluster_is_watched_as_it_is_scaled_and_gets_into_trouble(tmp_path: Path) -> None:
    program("prometheus", "prometheus")
    flags = ["--prometheus", "--prometheus-interval-s", "2", "--prefix", "shop"]
    environ = {"TRUNKLINE_GROUPS_PER_CONNECTION": "1"}
    run = tmp_path / "run"
    async with (
        cluster_of("tests.parts.app", run, *flags, interfaces=1, workers=1, environ=environ) as cluster,
        asking(cluster.state.prometheus) as prometheus,
    ):
        await sees_every_process(prometheus, cluster, 2)
        sent = await chat(cluster, 20)
        await counts(prometheus, sent)

        await trunkline("scale", "--run-dir", str(run), "--interfaces", "2", "--workers", "3")
        await sees_every_process(prometheus, cluster, 5)
        sent += await chat(cluster, 40)
        await counts(prometheus, sent)

        await trunkline("scale", "--run-dir", str(run), "--interfaces", "1", "--workers", "1")
        await sees_every_process(prometheus, cluster, 2)
        # Those that have gone are no series of now any more, and what they counted is kept.
        assert await prometheus.value(f"sum(max_over_time({HANDLED}[1h]))") == sent
        assert await prometheus.value("sum(max_over_time(trunkline_messages_in_total[1h]))") == sent

        async with Load([cluster.url.rstrip("/")], 4, path="/echo/", pace_s=0.05) as load:
            await trouble(cluster.url)
            await every_panel_has_data(prometheus)
            await every_rule_is_evaluated(prometheus)
            await load.finish()
        load.check()
        status = json.loads(await trunkline("status", "--run-dir", str(run), "--json"))
        assert status["prometheus"] == cluster.state.prometheus
        assert "prometheus" in {process["role"] for process in status["processes"]}

    assert supervisor.members(cluster.state.cluster) == []


async def sees_every_process(prometheus: Prometheus, cluster: Cluster, number: int) -> None:
    """Waits until Prometheus scrapes exactly the processes that live."""

    async def agrees() -> bool:
        leases = [*await cluster.interfaces(), *await cluster.workers()]
        targets = await prometheus.targets()
        if len(leases) != number or targets != {lease.id: "up" for lease in leases}:
            return False
        seen = await prometheus.series('up{job="trunkline", deployment="shop"} == 1')
        labels = {(item["metric"]["process"], item["metric"]["role"], item["metric"]["pid"]) for item in seen}
        return labels == {(lease.id, lease.role, str(lease.pid)) for lease in leases}

    await until(agrees, WITHIN_S, f"{number} targets, each of them up and alive")


async def chat(cluster: Cluster, count: int, connections: int = 10) -> int:
    """Sends messages and hears every reply; how many there were."""
    async with Load([cluster.url.rstrip("/")], connections, count, path="/echo/") as load:
        await load.finish(WITHIN_S)
    load.check()
    return connections * count


async def counts(prometheus: Prometheus, sent: int) -> None:
    """Waits until what processes have counted adds up to what was sent, and it is not more a scrape later."""
    for query in (f"sum({HANDLED})", "sum(trunkline_messages_in_total)", "sum(trunkline_messages_out_total)"):

        async def adds_up(query: str = query) -> bool:
            return await prometheus.value(query) == sent

        await until(adds_up, WITHIN_S, f"{query} is {sent}")


async def trouble(url: str) -> None:
    """Makes every error that figures tell of, as far as clients and handlers can."""
    async with aiohttp.ClientSession() as client:

        async def talk(path: str, *texts: str) -> list[Any]:
            heard: list[Any] = []
            async with client.ws_connect(url.rstrip("/") + path) as socket:
                for text in texts:
                    await socket.send_str(text)
                async with asyncio.timeout(WITHIN_S):
                    while not socket.closed and len(heard) < max(1, len(texts)):
                        heard.append((await socket.receive()).data)
            return heard

        # The death first: what a worker has counted since the last scrape goes with it.
        async with client.ws_connect(f"{url}trouble/x") as socket:
            await socket.send_str("die once")
            assert await socket.receive_str(timeout=WITHIN_S) == "die once"
            await socket.send_str("raise")
            await socket.send_str("goes on")
            assert await socket.receive_str(timeout=WITHIN_S) == "goes on"
        async with client.get(f"{url}page") as answer:
            assert answer.status == 200
        assert await talk("/again", "a") == ["a"]
        assert await talk("/late", "a") == [1000]
        assert await talk("/crowd", "a") == [1008]


async def every_panel_has_data(prometheus: Prometheus) -> None:
    """Evaluates each query of the dashboard as Grafana would."""
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [
        (panel["title"], target["expr"], target["legendFormat"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]
    assert len(queries) > 60
    for title, expression, legend in queries:
        for name, value in VARIABLES.items():
            expression = expression.replace(name, value)
        assert "$" not in expression

        async def found(query: str = expression) -> list[dict[str, Any]]:
            return await prometheus.series(query)

        series = await until(found, WITHIN_S, f"panel {title!r} has data: {expression}")
        for label in re.findall(r"\{\{(\w+)\}\}", legend):
            assert any(label in item["metric"] for item in series), f"{title}: no {label} in {series}"
    variable = await prometheus.ask("label/deployment/values", **{"match[]": "trunkline_redis_up"})
    assert variable == ["shop"]


async def every_rule_is_evaluated(prometheus: Prometheus) -> None:
    """All rules are healthy, and what went wrong is told by alerts in whole sentences."""
    rules = [rule for group in (await prometheus.ask("rules"))["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}

    async def fires() -> bool:
        alerts = (await prometheus.ask("alerts"))["alerts"]
        for alert in alerts:
            assert "error" not in alert["annotations"]["summary"].lower().replace(": error", "")
            assert "deployment" not in alert["labels"] or alert["labels"]["deployment"] == "shop"
        names = {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}
        return {"TrunklineDeadLetters", "TrunklineWorkerDied"} <= names

    await until(fires, WITHIN_S, "alerts of the dead letter and of the worker that died fire")
