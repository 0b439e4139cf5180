"""Twice the load that the workers can handle: memory stays bounded, so does the wait of what was let in, and all is
well again soon after the load has gone."""

from __future__ import annotations

import asyncio

import aiohttp
import psutil
import pytest

from tests.overload.app import WORK_S
from tests.support.load import Load
from tests.support.processes import Processes
from tests.support.redis_server import Redis
from tests.support.waiting import until

APP = "tests.overload.app"
MAX_WAIT_S = 1.0
CONNECTIONS = 200
PACE_S = CONNECTIONS * WORK_S / 2
"""Twice as many messages as one worker handles."""
SETTLED_S = 10.0
"""Until the first wave is over: what every connection had sent before anybody knew, with what waits behind it."""
WATCHED_S = 8.0
GROWTH_BYTES = 24 * 2**20
"""What a process may grow by after it has settled: what an allocator keeps by chance, and no more."""
BOUND_S = 5.0
"""From reading a message to its release, for 99 of 100: up to 1.75 times the limit until a worker is given
its entry, and the same once more if it came behind another of its connection: 3.5 s. The histogram's next bound."""
RECOVERY_S = 5.0
"""Beside the time that what the clients had sent already takes the workers."""


async def releases(cluster: Processes) -> tuple[int, int]:
    """How many entries were released so far, and how many of them took longer than the bound."""
    lease = await cluster.lease(cluster.interfaces[0])
    assert lease is not None
    # One scrape: two would have entries between them.
    async with aiohttp.ClientSession() as session, session.get(f"http://{lease.admin}/metrics") as answer:
        text = await answer.text()
    within, ever = (
        int(float(text.partition(f'trunkline_release_seconds_bucket{{le="{bound}"}} ')[2].partition("\n")[0]))
        for bound in (BOUND_S, "+Inf")
    )
    return ever, ever - within


async def handshake(address: str) -> tuple[int, str]:
    """The status of one handshake, and when to come back."""
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(f"{address}/echo/late") as socket:
                await socket.send_str("x")
                await socket.receive()
                return 101, ""
        except aiohttp.WSServerHandshakeError as error:
            return error.status, error.headers.get("Retry-After", "") if error.headers else ""


async def test_at_twice_the_capacity_nothing_grows_and_what_is_let_in_does_not_wait_long(
    cluster: Processes, redis_process: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.interface(f"--max-wait-s={MAX_WAIT_S}")
    cluster.worker(routing=APP)
    await cluster.ready()
    address = cluster.interfaces[0].address
    processes = {
        name: psutil.Process(pid)
        for name, pid in (
            ("interface", cluster.interfaces[0].pid),
            ("worker", cluster.workers[0].pid),
            ("redis", redis_process.process.pid),
        )
    }

    async with Load([address], CONNECTIONS, pace_s=PACE_S, path="/work/", window=10**6) as load:
        await asyncio.sleep(SETTLED_S)
        before = {name: process.memory_info().rss for name, process in processes.items()}
        ever, slow = await releases(cluster)
        replies = load.replies
        answers = []
        peaks = dict.fromkeys(before, 0)
        for _ in range(int(WATCHED_S)):
            for name, process in processes.items():
                peaks[name] = max(peaks[name], process.memory_info().rss)
            answers.append(await handshake(address))
            await asyncio.sleep(1)
        ever_after, slow_after = await releases(cluster)
        entries, slow = ever_after - ever, slow_after - slow
        handled_s = (load.replies - replies) / WATCHED_S
        stopped_s = asyncio.get_running_loop().time()
        load.stopped = True
        left_s = (sum(talker.sent for talker in load.talkers) - load.replies) * WORK_S
        await load.finish(within_s=left_s * 1.5 + RECOVERY_S)
        finished_s = asyncio.get_running_loop().time()

        async def is_let_in() -> bool:
            return (await handshake(address))[0] == 101

        await until(is_let_in, RECOVERY_S, "a handshake succeeds again")
        recovered_s = asyncio.get_running_loop().time() - finished_s
    load.check()
    with capsys.disabled():
        print(
            f"\ncapacity={1 / WORK_S:.0f}/s offered={CONNECTIONS / PACE_S:.0f}/s handled={handled_s:.0f}/s "
            f"entries={entries} slow={slow} "
            f"left_s={left_s:.1f} finished_s={finished_s - stopped_s:.1f} recovered_s={recovered_s:.1f} "
            + " ".join(
                f"{name}_mib={peaks[name] / 2**20:.0f}(+{(peaks[name] - before[name]) / 2**20:.1f})"
                for name in before
            )
            + f" handshakes={answers}"
        )

    refused = [retry for status, retry in answers if status == 503]
    assert len(refused) > len(answers) / 2
    assert all(1 <= int(retry) <= 5 for retry in refused)
    assert len(set(refused)) > 1
    assert {name: peaks[name] - before[name] < GROWTH_BYTES for name in before} == dict.fromkeys(before, True)
    assert slow <= entries / 100
    assert handled_s > 0.5 / WORK_S
    assert await cluster.metric(cluster.interfaces[0], 'turned_away_total{reason="busy"}') >= len(refused)
