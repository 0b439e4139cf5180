"""An interface server behind a proxy is killed in the middle of requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.parts.proxies.programs import NAMES
from tests.parts.proxies.scene import Scene
from tests.support.own_processes import pytest_runtest_makereport
from tests.support.redis_server import RedisServer
from tests.support.sockets import Client
from tests.support.waiting import until

__all__ = ["pytest_runtest_makereport"]
pytestmark = [pytest.mark.parts, pytest.mark.timeout(150)]
AFTERWARDS = 20


@pytest.fixture
def scene(redis_server: RedisServer, tmp_path: Path) -> Iterator[Scene]:
    """A cluster of the test's own."""
    running = Scene(redis_server, tmp_path)
    yield running
    running.end()


@pytest.mark.parametrize("name", NAMES)
async def test_a_post_that_was_sent_is_not_sent_again_and_whoever_comes_next_is_served(
    scene: Scene, name: str
) -> None:
    proxy = await scene.proxy(name)
    async with Client() as direct, aiohttp.ClientSession() as client:
        observers = [await direct.open(f"{item.address}/observe") for item in scene.processes.interfaces]
        posting = asyncio.create_task(client.post(f"{proxy.url}/hang", data=b"once"))
        said = [(await observer.hears(1, 30.0))[0] for observer in observers]
        port = str(said[0]).removeprefix("POST ")
        dies = next(item for item in scene.processes.interfaces if item.address.endswith(f":{port}"))
        lives = next(place for place, item in enumerate(scene.processes.interfaces) if item is not dies)

        dies.kill()
        answer = await posting
        statuses = []
        for number in range(AFTERWARDS):
            async with client.post(f"{proxy.url}/show/{number}") as next_one:
                statuses.append(next_one.status)

        assert said == [f"POST {port}"] * 2
        assert answer.status == 502
        assert statuses == [200] * AFTERWARDS
        # Those that came behind it were handled, so it would have been heard of.
        assert observers[lives].heard == [f"POST {port}"]


async def test_without_any_server_haproxy_says_when_to_come_back(scene: Scene) -> None:
    proxy = await scene.proxy("haproxy")
    for interface in scene.processes.interfaces:
        interface.kill()
    async with aiohttp.ClientSession() as client:

        async def refused() -> bool:
            async with client.get(f"{proxy.url}/show") as answer:
                return answer.status == 503 and answer.headers.get("Retry-After") == "2"

        await until(refused, 20.0)
