"""One of two interface servers behind a proxy is stopped in order, while clients come, talk and go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.proxies.crowd import Crowd
from tests.parts.proxies.programs import NAMES
from tests.parts.proxies.scene import Scene
from tests.support.own_processes import pytest_runtest_makereport
from tests.support.redis_server import RedisServer
from tests.support.waiting import until

__all__ = ["pytest_runtest_makereport"]
pytestmark = [pytest.mark.parts, pytest.mark.timeout(240)]
STAYERS = 60
GUESTS = 4


@pytest.fixture
def scene(redis_server: RedisServer, tmp_path: Path) -> Iterator[Scene]:
    """A cluster of the test's own."""
    running = Scene(redis_server, tmp_path, "--drain-s", "4")
    yield running
    running.end()


@pytest.mark.parametrize("name", NAMES)
async def test_whoever_is_closed_comes_back_through_the_proxy_and_nobody_gets_502(
    scene: Scene, name: str
) -> None:
    proxy = await scene.proxy(name)
    first, second = scene.processes.interfaces
    async with Crowd(proxy.url, STAYERS, GUESTS) as crowd:
        await until(lambda: crowd.handshakes >= STAYERS, 30.0)
        await crowd.goes_on()
        held = [await scene.processes.metric(interface, "connections") for interface in (first, second)]
        first.terminate()
        await crowd.goes_on()
        assert await first.ends() == 0
        await crowd.goes_on()
        after = await scene.processes.metric(second, "connections")

    print(name, held, crowd.failures, crowd.codes(), crowd.handshakes, crowd.answers)
    crowd.check()
    # The load was spread, so whoever was at the first came back by way of the proxy to the second.
    assert min(held) >= STAYERS / 4
    assert set(crowd.codes()) == {1012}
    assert crowd.codes()[1012] >= STAYERS / 4
    assert after >= STAYERS
    # Whose connection was there when the drain began and whose request was not is told to come back; nobody gets 502.
    assert set(crowd.failures) <= {"handshake 503", "request 503"}
    assert crowd.failures.total() <= GUESTS
