"""The dashboard of a real cluster in a real Chromium: it shows what happens there, while it happens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.support.chromium import Browser, Page
from tests.support.cluster import Cluster, cluster_of, trunkline
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


async def lists(page: Page, ids: set[str], absent: Collection[str] = ()) -> None:
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


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """One interface server, one worker and a Redis, running the example chat."""
    async with cluster_of("examples.chat.routing", tmp_path / "run", interfaces=1, workers=1) as running:
        yield running


async def alerts(page: Page) -> str:
    text: str = await page.evaluate("document.getElementById('alerts').innerText")
    return text


async def test_it_shows_a_cluster_through_its_day(browser: Browser, cluster: Cluster) -> None:
    (interface,), (worker,) = await cluster.interfaces(), await cluster.workers()
    page = await opened(browser, interface)
    await lists(page, {interface.id, worker.id})
    assert "Redis" in await page.evaluate("document.querySelector('[data-role=redis]').innerText")
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
        # and a message is drawn, with its route and who had it
        await page.until("document.querySelectorAll('.trip').length > 0", LONG_MS)
        await page.evaluate("document.querySelector('.trip button').click()")
        told = await page.evaluate("document.querySelector('.trip .figures').innerText")
        for known in ("consumers.ws_", "/chat/lobby", worker.id, interface.id):
            assert known in told
        assert await page.evaluate("document.querySelectorAll('.trip:first-child rect').length") >= 5
        # when a worker is added, then it stands there; when one is killed, then it does not any more
        await trunkline("scale", "--workers", "2", "--run-dir", str(cluster.run_dir.path))
        (added,) = [lease for lease in await cluster.workers() if lease.id != worker.id]
        await lists(page, {added.id})
        os.kill(worker.pid, signal.SIGKILL)
        await lists(page, {added.id}, absent={worker.id})
    await page.until(f"{figure('in_per_s')} === 0", LONG_MS)

    # when Redis does not answer, then that is said, on the page of a worker as well
    other = await opened(browser, added)
    (redis,) = (member for member in supervisor.members(cluster.state.cluster) if member.role == "redis")
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        for watched in (page, other):
            await watched.until("document.body.dataset.state === 'trouble'", LONG_MS)
            assert "Redis" in await alerts(watched)
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    for watched in (page, other):
        await watched.until("document.body.dataset.state === 'live'", LONG_MS)

    # when the interface server stands still, then its page is stale, until it goes on
    os.kill(interface.pid, signal.SIGSTOP)
    try:
        await page.until("document.body.dataset.state === 'stale'", LONG_MS)
        assert "No events come any more" in await alerts(page)
    finally:
        os.kill(interface.pid, signal.SIGCONT)
    await page.until("document.body.dataset.state === 'live'", LONG_MS)
    assert page.faults == other.faults == []
