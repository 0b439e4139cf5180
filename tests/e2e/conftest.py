"""One interface server and two workers as real processes, for all tests of this folder.

They stay whole whatever a test does to them: that is what these tests are about.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support import topology
from tests.support.own_processes import end_well, pytest_runtest_makereport
from tests.support.processes import Interface, Processes
from tests.support.redis_server import RedisServer
from tests.support.sockets import Client, Socket

__all__ = ["pytest_runtest_makereport"]

OUTBOUND_BYTES = 262_144
"""Small, so that a client which does not read is found soon."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On another topology those tests run that have a Redis."""
    topology.leave_out(config, items, Path(__file__).parent, ("redis_server",))


@pytest.fixture(scope="session")
def running(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """The processes, started."""
    processes = Processes(redis_server.url, redis_server.fresh_prefix(), tmp_path_factory.mktemp("e2e"))
    processes.interface("--outbound-bytes", str(OUTBOUND_BYTES))
    processes.worker()
    processes.worker()
    yield processes
    end_well(processes)


@pytest.fixture
async def cluster(running: Processes) -> Processes:
    """The processes, ready."""
    await running.ready()
    return running


@pytest.fixture
async def interface(cluster: Processes) -> Interface:
    """The interface server."""
    return cluster.interfaces[0]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Opens WebSockets."""
    async with Client() as opened:
        yield opened


@pytest.fixture
async def bystander(client: Client, interface: Interface) -> AsyncIterator[Socket]:
    """A connection that must not be disturbed: what was sent before a test still comes back behind it."""
    socket = await client.open(f"{interface.address}/count/bystander")
    await socket.send("before")
    assert await socket.hears(1) == ["before 1"]
    yield socket
    await socket.send("behind")
    assert await socket.hears(2) == ["before 1", "behind 2"]
