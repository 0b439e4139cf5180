"""``/targets``: the live processes, as Prometheus asks for them."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.messages import ClusterStats, LeaseInfo
from trunkline.protocol.process.admin import AdminServer
from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.process.targets import Targets, listing


def lease(identity: str = "w1", admin: str = "10.0.0.7:4000", **changes: Any) -> LeaseInfo:
    info = LeaseInfo(
        identity, "worker", "web1", 77, admin, "0.1.0", 100.0, "chat.routing", "v1-dirty", "canary"
    )
    return info._replace(**changes)


def stats(*leases: LeaseInfo) -> ClusterStats:
    return ClusterStats(
        channels=[],
        interfaces=[lease for lease in leases if lease.role == "interface"],
        workers=[lease for lease in leases if lease.role == "worker"],
        dead_letters=0,
        mailbox_lengths={},
    )


class Layer:
    """What `Targets` looks at."""

    def __init__(self, *leases: LeaseInfo) -> None:
        self.stats: ClusterStats | None = stats(*leases)

    async def look(self) -> ClusterStats | None:
        return self.stats


def test_each_process_has_its_address_and_labels() -> None:
    assert listing([lease()], "shop", None) == [
        {
            "targets": ["10.0.0.7:4000"],
            "labels": {
                "role": "worker",
                "process": "w1",
                "host": "web1",
                "pid": "77",
                "deployment": "shop",
                "track": "canary",
                "code_version": "v1-dirty",
                "version": "0.1.0",
            },
        }
    ]


def test_what_is_not_known_is_no_label() -> None:
    (group,) = listing([lease(code="", version="", track="")], "shop", None)

    assert set(group["labels"]) == {"role", "process", "host", "pid", "deployment"}


def test_a_process_without_an_admin_server_is_left_out() -> None:
    assert listing([lease(admin="")], "shop", "web1") == []


@pytest.mark.parametrize(("near", "listed"), [("web1", 1), ("web2", 0), (None, 0)])
def test_a_loopback_address_is_listed_for_its_own_machine_alone(near: str | None, listed: int) -> None:
    assert len(listing([lease(admin="127.0.0.1:4000")], "shop", near)) == listed


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_leases_with_one_address_the_younger_counts(turned: bool) -> None:
    leases = [lease("w1", started_s=100.0), lease("w2", started_s=200.0)]

    groups = listing(reversed(leases) if turned else leases, "shop", None)

    assert [group["labels"]["process"] for group in groups] == ["w2"]


def test_the_order_is_the_same_each_time() -> None:
    leases = [lease("w1", "b:1"), lease("w2", "a:1"), lease("i1", "c:1", role="interface")]

    assert [group["targets"] for group in listing(leases, "shop", None)] == [["c:1"], ["a:1"], ["b:1"]]


@asynccontextmanager
async def served(layer: Layer, metrics: MetricSet, port: int = 0) -> AsyncIterator[str]:
    targets = Targets(metrics, layer.look, "shop", "web1")
    admin = AdminServer(
        "127.0.0.1", 0, metrics=metrics, ready=lambda: None, targets=targets.show, targets_port=port
    )
    address = await admin.start()
    try:
        yield address
    finally:
        await admin.stop()


async def get(address: str, path: str = "/targets") -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as client, client.get(f"http://{address}{path}") as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def test_the_answer_is_what_http_service_discovery_demands() -> None:
    layer = Layer(lease("w1"), lease("i1", "10.0.0.7:4001", role="interface"))
    async with served(layer, MetricSet()) as address:
        status, kind, text = await get(address)

    assert (status, kind) == (200, "application/json; charset=utf-8")
    groups = json.loads(text)
    assert [group["targets"] for group in groups] == [["10.0.0.7:4001"], ["10.0.0.7:4000"]]
    for group in groups:
        assert set(group) == {"targets", "labels"}
        assert all(isinstance(value, str) for value in group["labels"].values())


async def test_who_asks_over_the_loopback_address_is_told_of_loopback_addresses() -> None:
    async with served(Layer(lease(admin="127.0.0.1:4000")), MetricSet()) as address:
        assert len(json.loads((await get(address))[2])) == 1


async def test_who_asks_from_elsewhere_is_not() -> None:
    targets = Targets(MetricSet(), Layer(lease(admin="127.0.0.1:4000")).look, "shop", "web1")

    answer = await targets.show(make_mocked_request("GET", "/targets"))  # it comes from nowhere

    assert json.loads(answer.text or "") == []


async def test_an_empty_cluster_is_an_empty_list() -> None:
    async with served(Layer(), MetricSet()) as address:
        assert (await get(address))[2] == "[]"


async def test_while_the_layer_is_away_the_last_list_is_told_and_counted() -> None:
    layer, metrics = Layer(lease()), MetricSet()
    async with served(layer, metrics) as address:
        before = await get(address)
        layer.stats = None
        assert await get(address) == before

    assert "trunkline_targets_stale_total 1.0" in metrics.exposition().decode()


async def test_without_any_list_yet_it_is_503_and_prometheus_keeps_its_own() -> None:
    layer = Layer()
    layer.stats = None
    async with served(layer, MetricSet()) as address:
        status, _, text = await get(address)

    assert status == 503
    assert "does not answer" in text


@pytest.fixture
def shared_port() -> Iterator[int]:
    """A port that several may listen on, held by a socket that does not."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


async def test_processes_share_the_targets_port_and_it_has_nothing_else(shared_port: int) -> None:
    shared = f"127.0.0.1:{shared_port}"
    async with served(Layer(lease("w1")), MetricSet(), shared_port):
        async with served(Layer(lease("w1")), MetricSet(), shared_port):
            assert (await get(shared))[0] == 200
        # One has gone; the other answers.
        assert (await get(shared))[0] == 200
        assert [(await get(shared, path))[0] for path in ("/metrics", "/ready")] == [404, 404]


async def test_a_targets_port_that_somebody_else_has_is_said_with_what_to_do() -> None:
    with pytest.raises(
        ConfigError, match=r"cannot listen on 127\.0\.0\.1:\d+ .*--targets-port, or 0 for none"
    ):
        async with (
            served(Layer(), MetricSet()) as taken,
            served(Layer(), MetricSet(), int(taken.rpartition(":")[2])),
        ):
            pass
