"""The admin server: metrics, life and readiness on a port of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from trunkline.protocol.errors import ConfigError, LayerUnavailable
from trunkline.protocol.process import admin
from trunkline.protocol.process.admin import AdminServer
from trunkline.protocol.process.logs import RateLimited
from trunkline.protocol.process.metrics import MetricSet


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def get(client: aiohttp.ClientSession, server: AdminServer, path: str) -> tuple[int, str, str]:
    address = await server.start()
    try:
        async with client.get(f"http://{address}{path}") as response:
            return response.status, response.headers["Content-Type"], await response.text()
    finally:
        await server.stop()


def server(**options: Any) -> AdminServer:
    return AdminServer("127.0.0.1", 0, **{"metrics": MetricSet(), "ready": lambda: None, **options})


async def test_metrics_are_shown_as_prometheus_text(client: aiohttp.ClientSession) -> None:
    metrics = MetricSet()
    metrics.counter("frames", "Frames.").value += 2
    status, kind, text = await get(client, server(metrics=metrics), "/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "trunkline_frames_total 2.0\n" in text


async def test_live_answers_while_the_loop_turns(client: aiohttp.ClientSession) -> None:
    assert (await get(client, server(ready=lambda: "no"), "/live"))[0] == 200


async def test_ready_is_200_when_nothing_stands_against_it(client: aiohttp.ClientSession) -> None:
    assert (await get(client, server(), "/ready"))[0] == 200


async def test_ready_is_503_with_the_reason(client: aiohttp.ClientSession) -> None:
    status, _, text = await get(client, server(ready=lambda: "Redis is away"), "/ready")
    assert (status, text) == (503, "Redis is away\n")


async def test_figures_are_fetched_before_each_scrape(client: aiohttp.ClientSession) -> None:
    metrics, length = MetricSet(), [0]
    metrics.gauge("length", "Entries.", lambda: length[0])

    async def refresh() -> None:
        length[0] += 7

    _, _, text = await get(client, server(metrics=metrics, refresh=refresh), "/metrics")
    assert "trunkline_length 7.0\n" in text and "trunkline_metrics_refresh_failures_total 0.0\n" in text


async def test_a_failed_fetch_shows_the_old_figures_and_is_counted(
    client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(admin, "_warnings", RateLimited(logging.getLogger("trunkline.test")))

    async def refresh() -> None:
        raise LayerUnavailable("Redis is away")

    status, _, text = await get(client, server(refresh=refresh), "/metrics")
    assert status == 200 and "trunkline_metrics_refresh_failures_total 1.0\n" in text
    assert caplog.messages == ["metrics show old cluster figures: Redis is away"]


async def test_a_fetch_that_hangs_is_given_up(
    client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "REFRESH_LIMIT_S", 0.01)

    async def refresh() -> None:
        await asyncio.Event().wait()

    status, _, text = await get(client, server(refresh=refresh), "/metrics")
    assert status == 200 and "trunkline_metrics_refresh_failures_total 1.0\n" in text


async def test_further_routes_are_served_with_their_method(client: aiohttp.ClientSession) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.method} {request.path}")

    admin_server = server(extra={"/connections": answer, "POST /drain": answer})
    address = await admin_server.start()
    try:
        async with client.get(f"http://{address}/connections") as response:
            assert await response.text() == "GET /connections"
        async with client.post(f"http://{address}/drain") as response:
            assert await response.text() == "POST /drain"
        async with client.get(f"http://{address}/drain") as response:
            assert response.status == 405
        async with client.get(f"http://{address}/nothing") as response:
            assert response.status == 404
    finally:
        await admin_server.stop()


async def test_start_tells_the_port_that_the_kernel_chose() -> None:
    admin_server = server()
    host, port = (await admin_server.start()).rsplit(":", 1)
    await admin_server.stop()
    await admin_server.stop()  # idempotent
    assert host == "127.0.0.1" and int(port) > 0


async def test_an_ipv6_address_is_told_in_brackets(client: aiohttp.ClientSession) -> None:
    admin_server = AdminServer("::1", 0, metrics=MetricSet(), ready=lambda: None)
    address = await admin_server.start()
    try:
        assert address.startswith("[::1]:")
        async with client.get(f"http://{address}/live") as response:
            assert response.status == 200
    finally:
        await admin_server.stop()


async def test_a_taken_port_is_refused_with_its_number_and_what_to_do() -> None:
    first = server()
    port = int((await first.start()).rsplit(":", 1)[1])
    second = AdminServer("127.0.0.1", port, metrics=MetricSet(), ready=lambda: None)
    try:
        with pytest.raises(ConfigError) as caught:
            await second.start()
    finally:
        await first.stop()
    assert str(caught.value) == (
        f"admin server: cannot listen on 127.0.0.1:{port} (Address already in use); "
        "choose another --admin-host or --admin-port, or port 0 for any free one"
    )


async def test_a_host_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(
        ConfigError, match=r"cannot listen on 256\.0\.0\.1:0 \(.+\); choose another --admin-host"
    ):
        await AdminServer("256.0.0.1", 0, metrics=MetricSet(), ready=lambda: None).start()
