"""Redis hangs, dies or forgets everything; sockets stay open and nothing that clients hold is lost."""

from __future__ import annotations

import asyncio
import statistics

from tests.support.load import Load
from tests.support.processes import Processes
from tests.support.redis_server import Redis
from tests.support.sockets import Client
from tests.support.waiting import until
from trunkline.protocol.names import RECEIVE

CONNECTIONS = 100
STOPPED_S = 5.0
NORMAL_AGAIN_S = 0.1
"""A median reply time that a busy machine may show."""


async def start(cluster: Processes) -> list[str]:
    await cluster.start(interfaces=2, workers=2)
    return [interface.address for interface in cluster.interfaces]


async def test_a_redis_that_hangs_for_seconds_costs_nothing_but_time(
    cluster: Processes, redis_process: Redis
) -> None:
    addresses = await start(cluster)
    ids = {interface.id for interface in cluster.interfaces}
    clock = asyncio.get_running_loop().time

    async with Load(addresses, CONNECTIONS, pace_s=0.05) as load:
        await load.goes_on(2000)
        before = statistics.median(load.seconds())
        redis_process.process.pause()
        await asyncio.sleep(STOPPED_S)  # Not a wait for something: this is how long Redis hangs.
        redis_process.process.resume()
        await load.goes_on(2000)
        settled_s = clock()
        await load.goes_on(2000)
        after = statistics.median(load.seconds(since_s=settled_s))
        await load.finish()

        assert load.closed() == {}
        assert after < max(3 * before, NORMAL_AGAIN_S)
    load.check()
    async with cluster.operator() as layer:
        assert {lease.id for lease in (await layer.stats()).interfaces} == ids, "nobody may have been fenced"


async def test_a_redis_that_is_killed_and_started_again_costs_nothing_but_time(
    cluster: Processes, redis_process: Redis
) -> None:
    addresses = await start(cluster)

    async with Load(addresses, CONNECTIONS) as load:
        await load.goes_on(2000)
        redis_process.kill()
        redis_process.restart()
        await load.goes_on(2000)
        await load.finish()

        assert load.closed() == {}
    load.check()


async def test_a_redis_that_lost_its_last_moment_gets_it_back_from_the_interfaces(
    cluster: Processes, redis_process: Redis
) -> None:
    addresses = await start(cluster)

    async with Load(addresses, CONNECTIONS, path="/echo/") as load:
        await load.goes_on(2000)
        await hold_messages(cluster)
        redis_process.process.kill()
        # As if the machine had lost power: the end of what was written down has not reached the disk.
        with redis_process.appendonly_file.open("r+b") as written:
            written.truncate(redis_process.appendonly_file.stat().st_size * 3 // 4)
        redis_process.restart()
        resume_workers(cluster)
        await load.goes_on(2000)
        await load.finish()

        assert load.closed() == {}
        assert await republished(cluster) > 0, "the cut must have hit something"
    load.check()


async def test_a_redis_that_forgets_everything_under_load_loses_no_message_and_no_member(
    cluster: Processes,
) -> None:
    addresses = await start(cluster)

    async with Client() as client, Load(addresses, CONNECTIONS, path="/echo/") as load:
        crier = await client.open(f"{addresses[0]}/announce/crier")
        await crier.send("!before")
        await heard_by_all(load, 1)
        await load.goes_on(2000)
        for _ in range(3):
            await hold_messages(cluster)
            async with cluster.data() as data:
                await data.flushall()
            resume_workers(cluster)
            await load.goes_on(2000)
        await load.finish()

        assert load.closed() == {}
        assert await republished(cluster) > 0, "it must have forgotten something"
        await crier.send("!behind")
        await heard_by_all(load, 2)
        assert {tuple(talker.announced) for talker in load.talkers} == {("!before", "!behind")}
        assert await crier.hears(2) == ["!before", "!behind"]
    load.check()


async def hold_messages(cluster: Processes) -> None:
    """Stops the workers, and returns when there surely is something to lose, which they would else have handled."""
    for worker in cluster.workers:
        worker.pause()
    async with cluster.data() as data:
        await until(lambda: data.xlen(cluster.keys.stream(RECEIVE)), what="messages wait")


def resume_workers(cluster: Processes) -> None:
    """Lets them go on."""
    for worker in cluster.workers:
        worker.resume()


async def republished(cluster: Processes) -> float:
    return sum([await cluster.metric(interface, "republished_total") for interface in cluster.interfaces])


async def heard_by_all(load: Load, count: int) -> None:
    await until(
        lambda: all(len(talker.announced) >= count for talker in load.talkers),
        10,
        f"{count} announcements reach every connection",
    )
