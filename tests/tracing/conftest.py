"""Two interface servers and a worker as real processes that trace to a collector; the one is told every message, the
other only what comes with a traceparent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.own_processes import end_well, pytest_runtest_makereport
from tests.support.processes import Processes
from tests.support.redis_server import RedisServer
from tests.support.sockets import Client
from tests.tracing.collector import Collector, collecting

__all__ = ["pytest_runtest_makereport"]

APP = "tests.tracing.app"


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Takes spans."""
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="session")
def running(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> Iterator[Processes]:
    """The processes, started."""
    processes = Processes(redis_server.url, redis_server.fresh_prefix(), tmp_path_factory.mktemp("tracing"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in collector.variables.items():
            patch.setenv(name, value)
        processes.interface("--trace-sample", "1", "--trace-from", "both", "--waterfall-per-s", "1000")
        processes.interface("--trace-sample", "0")
        processes.worker("--trace-sample", "0", "--waterfall-per-s", "1", routing=APP)
    yield processes
    end_well(processes)


@pytest.fixture
async def cluster(running: Processes) -> Processes:
    """The processes, ready."""
    for process in running.all():  # on a busy machine the SDK's modules alone take their time
        await process.says("listening address=|worker is ready", 120)
    await running.ready()
    return running


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Opens WebSockets."""
    async with Client() as opened:
        yield opened
