"""The dashboard of a real cluster in a real Chromium: it shows what happens there, while it happens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.support.chromium import Browser, Page
from tests.support.cluster import Cluster, trunkline
from trunkline.deploy import supervisor
from trunkline.protocol.messages import LeaseInfo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

LONG_MS = 60_000
IDS = "[...document.querySelectorAll('#processes .id')].map((id) => id.textContent)"


async def opened(browser: Browser, lease: LeaseInfo) -> Page:
    """The dashboard of a process, live."""
    page = await browser.page()
    await page.open(f"http://{lease.admin}/")
    assert (await page.evaluate("location.pathname")) == "/dashboard"
    await page.until("document.body.dataset.state === 'live'", LONG_MS)
    return page


async def lists(page: Page, ids: set[str], absent: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """Waits until these processes stand there, and those do not."""
    await page.until(
        f"((ids) => {json.dumps(sorted(ids))}.every((id) => ids.includes(id)) && "
        f"!{json.dumps(sorted(absent))}.some((id) => ids.includes(id)))({IDS})",
        LONG_MS,
    )


@asynccontextmanager
async def talk(cluster: Cluster) -> AsyncIterator[None]:
    """Somebody in a room who says something some twenty times a second, and hears it."""

    async def go_on() -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"ws://127.0.0.1:{cluster.state.port}/chat/lobby?username=Ada") as socket,
        ):
            while True:
                await socket.send_str("said")
                await socket.receive_str()
                await asyncio.sleep(0.05)

    talking = asyncio.create_task(go_on())
    try:
        yield
        assert not talking.done()
    finally:
        talking.cancel()
        await asyncio.wait([talking])


def figure(name: str) -> str:
    """A tile's number, in JavaScript."""
    return f"parseFloat(document.querySelector('[data-field={name}] .value').textContent.replaceAll(',', ''))"


async def test_it_shows_traffic_processes_that_come_and_go_and_an_interface_server_that_stops(
    browser: Browser, cluster: Cluster
) -> None:
    interfaces, workers = await cluster.interfaces(), await cluster.workers()
    page = await opened(browser, interfaces[0])
    await lists(page, {lease.id for lease in [*interfaces, *workers]})
    await page.until("document.querySelector('[data-role=redis]').innerText.includes('Redis')")
    # when nobody talks, then nothing is counted
    await page.until(f"{figure('in_per_s')} === 0 && {figure('connections')} === 0", LONG_MS)
    async with talk(cluster):
        # when somebody does, then the figures rise
        await page.until(
            f"{figure('in_per_s')} > 0 && {figure('out_per_s')} > 0 && {figure('handled_per_s')} > 0 && "
            f"{figure('connections')} === 1",
            LONG_MS,
        )
        await page.until("document.getElementById('routes').innerText.includes('ws_echo')", LONG_MS)
        assert "websocket.receive" in await page.evaluate("document.getElementById('channels').innerText")
        assert await page.evaluate("document.getElementById('processes').innerText.includes('MiB')")
        # and a message is drawn, with its route and who handled it
        await page.until("document.querySelectorAll('.trip').length > 0", LONG_MS)
        await page.evaluate("document.querySelector('.trip button').click()")
        told = await page.evaluate("document.querySelector('.trip .figures').innerText")
        assert "consumers.ws_" in told and "/chat/lobby" in told
        assert any(lease.id in told for lease in workers) and any(lease.id in told for lease in interfaces)
        assert await page.evaluate("document.querySelectorAll('.trip:first-child rect').length") >= 5
        # when a worker is added, then it stands there; when one is killed, then it does not any more
        await trunkline("scale", "--workers", "3", "--run-dir", str(cluster.run_dir.path))
        (added,) = {lease.id for lease in await cluster.workers()} - {lease.id for lease in workers}
        await lists(page, {added})
        os.kill(workers[0].pid, signal.SIGKILL)
        await lists(page, {added, workers[1].id}, absent={workers[0].id})
    await page.until(f"{figure('in_per_s')} === 0", LONG_MS)
    # when the interface server that serves the page stands still, then its figures are stale
    os.kill(interfaces[0].pid, signal.SIGSTOP)
    try:
        await page.until("document.body.dataset.state === 'stale'", LONG_MS)
        assert "No events come any more" in await page.evaluate("document.getElementById('alerts').innerText")
    finally:
        os.kill(interfaces[0].pid, signal.SIGCONT)
    # and live again when it goes on
    await page.until("document.body.dataset.state === 'live'", LONG_MS)
    assert page.faults == []


async def test_every_process_has_it_and_it_says_when_redis_is_away(
    browser: Browser, cluster: Cluster
) -> None:
    interfaces, workers = await cluster.interfaces(), await cluster.workers()
    pages = [await opened(browser, lease) for lease in (interfaces[1], workers[0])]
    (redis,) = (member for member in supervisor.members(cluster.state.cluster) if member.role == "redis")
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        for page in pages:
            await page.until("document.body.dataset.state === 'trouble'", LONG_MS)
            assert "Redis" in await page.evaluate("document.getElementById('alerts').innerText")
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    for page in pages:
        await page.until("document.body.dataset.state === 'live'", LONG_MS)
        assert page.faults == page.network == []
