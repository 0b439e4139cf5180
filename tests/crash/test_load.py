"""Nothing dies here: a cluster under load keeps its promises, also while it is scaled and drained."""

from __future__ import annotations

import asyncio

from tests.support.load import Load
from tests.support.processes import Processes
from tests.support.waiting import until
from trunkline.protocol.exit_codes import ExitCode

CONNECTIONS = 200


async def test_every_reply_arrives_in_order_and_once(cluster: Processes) -> None:
    await cluster.start(interfaces=2, workers=3)
    addresses = [interface.address for interface in cluster.interfaces]

    async with Load(addresses, CONNECTIONS, 100) as load:
        await load.finish()

    load.check()
    assert load.replies == CONNECTIONS * 100
    for processes, counted in (
        (cluster.interfaces, "messages_in_total"),
        (cluster.workers, "messages_total"),
    ):
        for process in processes:
            assert await cluster.metric(process, counted) > 0, f"{process.name} had nothing to do"


async def test_scaling_workers_up_and_down_again_loses_nothing(
    cluster: Processes,
) -> None:
    await cluster.start(interfaces=2, workers=1)
    addresses = [interface.address for interface in cluster.interfaces]

    async with Load(addresses, CONNECTIONS, pace_s=0.1) as load:
        await load.goes_on(500)
        await cluster.start(interfaces=0, workers=3)
        await load.goes_on(2000)
        for worker in cluster.workers[1:]:
            worker.terminate()
        codes = [await worker.ends() for worker in cluster.workers[1:]]
        await load.goes_on(500)
        await load.finish()

        assert load.closed() == {}
    load.check()
    assert codes == [ExitCode.OK] * 3


async def test_a_worker_that_is_stopped_under_load_drops_nothing_and_ends_well(
    cluster: Processes,
) -> None:
    await cluster.start(interfaces=1, workers=2)

    async with Load([cluster.interfaces[0].address], CONNECTIONS) as load:
        await load.goes_on(1000)
        cluster.workers[0].terminate()
        code = await cluster.workers[0].ends()
        await load.goes_on(1000)
        await load.finish()

        assert load.closed() == {}
    load.check()
    assert code == ExitCode.OK
    await cluster.forgotten(cluster.workers[0].id)


async def test_an_interface_that_is_stopped_under_load_says_goodbye_and_leaves_nothing_behind(
    cluster: Processes,
) -> None:
    await cluster.start(interfaces=2, workers=2)
    leaving, staying = cluster.interfaces

    async with (
        Load([staying.address], 1, 0, path="/observe") as observers,
        Load([leaving.address], CONNECTIONS, pace_s=0.05) as load,
    ):
        await load.goes_on(1000)
        leaving.terminate()
        code = await leaving.ends()
        await asyncio.gather(*(talker.gone() for talker in load.talkers))

        assert code == ExitCode.OK
        assert set(load.closed().values()) == {1012}
        heard = observers.talkers[0].heard
        await until(lambda: len(heard) >= CONNECTIONS, 10, "the observer hears of every disconnect")
        assert sorted(heard) == sorted(f"{talker.name} 1012" for talker in load.talkers)
    load.check()
    await cluster.forgotten(leaving.id)
    assert await cluster.count_keys("session") == 0
