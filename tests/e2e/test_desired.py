"""How many workers a cluster says it should have, under a load whose arithmetic is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.paced_app import SERVICE_S
from tests.support.processes import Processes, Worker
from tests.support.redis_server import RedisServer
from tests.support.waiting import until
from trunkline.protocol.process.desired import WINDOW_S
from trunkline.worker import Channel, outside

APP = "tests.support.paced_app"
ARRIVALS_PER_S = 36
BUSY = 0.7
WANTED = ARRIVALS_PER_S * SERVICE_S / BUSY
"""2.57, so three workers; `time.sleep` and a busy machine add to it, hence the bounds below."""
LIMIT_S = 120.0

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def processes(redis_server: RedisServer, tmp_path: Path) -> Iterator[Processes]:
    running = Processes(redis_server.url, redis_server.fresh_prefix(), tmp_path)
    try:
        yield running
    finally:
        running.end()


@asynccontextmanager
async def load(processes: Processes) -> AsyncIterator[None]:
    """Sends `ARRIVALS_PER_S`, whatever becomes of them."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def send(count: int) -> None:
        with outside(processes.url, prefix=processes.settings.prefix):
            for _ in range(count):
                Channel("work").send({})

    async def go_on() -> None:
        began_s, sent = loop.time(), 0
        while not ended.is_set():
            due = int((loop.time() - began_s) * ARRIVALS_PER_S)
            await asyncio.to_thread(send, due - sent)
            sent = due
            await asyncio.sleep(0.2)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        ended.set()
        await task


def start(processes: Processes, count: int) -> list[Worker]:
    flags = ["--target-busy", str(BUSY), "--scale-down-s", "10"]
    return [processes.worker(*flags, routing=APP) for _ in range(count)]


async def test_the_figure_is_that_of_arrivals_by_service_time_and_falls_when_the_load_ends(
    processes: Processes,
) -> None:
    (first,) = start(processes, 1)
    await processes.ready()

    async def wanted() -> int:
        return int(await processes.metric(first, "desired_workers"))

    assert await wanted() == 1
    async with load(processes):
        # One worker can do 20 a second: what waits tells that more come.
        await until(lambda: reached(wanted, WANTED), LIMIT_S)
        (second, *_) = start(processes, 3)
        await processes.ready()
        # The queue is worked off, the loads of the rush leave the window, the decisions of then are forgotten.
        await until(lambda: between(wanted, WANTED, WANTED + 1.5), LIMIT_S)
        await until(lambda: same(processes, first, second), LIMIT_S)
    await until(lambda: between(wanted, 0, 1), LIMIT_S + WINDOW_S)


Wanted = Callable[[], Awaitable[int]]


async def same(processes: Processes, first: Worker, second: Worker) -> bool:
    """Whether two workers tell the same figure, but for one that has changed between the two looks. One that has just
    started may have none yet."""
    figures = [await processes.metric(worker, "desired_workers") for worker in (first, second)]
    return min(figures) > 0 and abs(figures[0] - figures[1]) <= 1


async def reached(wanted: Wanted, least: float) -> bool:
    return await wanted() >= least


async def between(wanted: Wanted, least: float, most: float) -> bool:
    return least <= await wanted() <= most
