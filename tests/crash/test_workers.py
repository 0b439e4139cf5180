"""Workers die, hang and wake up again; their connections hear nothing of it."""

from __future__ import annotations

import asyncio

from tests.support.load import Load
from tests.support.processes import Processes
from tests.support.sockets import Client
from tests.support.waiting import until
from trunkline.protocol.exit_codes import ExitCode

CONNECTIONS = 200
RESUMES_WITHIN_S = 3.0


async def test_a_killed_worker_loses_doubles_and_reorders_nothing(cluster: Processes) -> None:
    await cluster.start(interfaces=2, workers=3)
    addresses = [interface.address for interface in cluster.interfaces]

    async with Load(addresses, CONNECTIONS) as load:
        await load.goes_on(3000)
        cluster.workers[0].kill()
        killed_s = asyncio.get_running_loop().time()
        await load.goes_on(3000)
        await cluster.forgotten(cluster.workers[0].id)
        await load.finish()

        assert load.closed() == {}
    load.check()
    assert load.seconds(killed_s)[-1] < RESUMES_WITHIN_S


async def test_what_the_only_worker_held_when_it_was_killed_goes_on_in_the_next(cluster: Processes) -> None:
    await cluster.start(interfaces=1, workers=1)

    async with Load([cluster.interfaces[0].address], CONNECTIONS) as load:
        await load.goes_on(1000)
        cluster.workers[0].kill()
        await cluster.start(interfaces=0, workers=1)
        await load.goes_on(1000)
        await cluster.forgotten(cluster.workers[0].id)
        await load.finish()

        assert load.closed() == {}
    load.check()


async def test_a_worker_that_wakes_up_behind_its_lease_has_no_effect_a_second_time(
    cluster: Processes,
) -> None:
    await cluster.start(interfaces=1, workers=2)
    address = cluster.interfaces[0].address

    async with Client() as client, Load([address], 20, pace_s=0.02) as load:
        socket = await client.open(f"{address}/trouble/paused")
        # Its worker stops itself in the middle of the handler; the next one to get this answers.
        await socket.send("pause once")
        await socket.hears(1)
        for worker in cluster.workers:
            worker.resume()
        await load.goes_on(200)

        async def told() -> bool:
            leased = [worker for worker in cluster.workers if await cluster.lease(worker)]
            return any([await cluster.metric(worker, "effects_dropped_total") for worker in leased])

        await until(told, 10, "the paused worker is told that it came too late")
        await socket.send("still there")
        heard = await socket.hears(2)
        await load.finish()

        assert heard == ["pause once", "still there"]
        assert load.closed() == {}
    load.check()


async def test_a_message_that_kills_three_workers_is_put_away_and_punishes_nobody_else(
    cluster: Processes,
) -> None:
    await cluster.start(interfaces=1, workers=4)
    address = cluster.interfaces[0].address

    async with Client() as client, Load([address], 100, pace_s=0.02) as load:
        socket = await client.open(f"{address}/trouble/killer")
        await socket.send("die")
        await socket.send("still there")
        heard = await socket.hears(1, within_s=40)
        await load.goes_on(500)
        await load.finish()

        assert heard == ["still there"]
        assert load.closed() == {}
    load.check()
    dead = [worker for worker in cluster.workers if worker.exit_code is not None]
    assert [await worker.ends() for worker in dead] == [9, 9, 9]
    async with cluster.operator() as layer:
        letters = await layer.dead_letters()
    assert [(letter.reason, letter.attempt) for letter in letters] == [("poison", 4)]
    for worker in dead:
        assert worker.id in letters[0].error


async def test_a_worker_stuck_in_a_handler_says_where_and_ends_so_that_another_goes_on(
    cluster: Processes,
) -> None:
    cluster.interface()
    for _ in range(2):
        cluster.worker("--handler-timeout-s", "1")
    await cluster.ready()
    address = cluster.interfaces[0].address

    async with Client() as client, Load([address], 20, pace_s=0.02) as load:
        socket = await client.open(f"{address}/trouble/stuck")
        await socket.send("stuck")
        heard = await socket.hears(1, within_s=20)
        await load.goes_on(200)
        await load.finish()

        assert heard == ["stuck"]
        assert load.closed() == {}
    load.check()
    (stuck,) = [worker for worker in cluster.workers if worker.exit_code is not None]
    assert await stuck.ends() == ExitCode.STUCK
    assert "stuck_in_a_loop" in stuck.text()


async def test_an_async_handler_over_its_limit_is_cancelled_and_its_message_put_away(
    cluster: Processes,
) -> None:
    cluster.interface()
    cluster.worker("--handler-timeout-s", "0.5")
    await cluster.ready()

    async with Client() as client:
        socket = await client.open(f"{cluster.interfaces[0].address}/waiting/long")
        await socket.send("wait")
        await socket.send("still there")
        heard = await socket.hears(1)

        assert heard == ["still there"]
    async with cluster.operator() as layer:
        letters = await layer.dead_letters()
    assert [letter.reason for letter in letters] == ["timeout"]


async def test_a_long_async_handler_keeps_nobody_from_taking_over(cluster: Processes) -> None:
    await cluster.start(interfaces=1, workers=1)
    address = cluster.interfaces[0].address

    async with Client() as client, Load([address], 50, pace_s=0.02) as load:
        patient = await client.open(f"{address}/waiting/patient")
        await patient.send("wait")
        await load.goes_on(200)
        doomed = cluster.worker("--exclude-channels", "websocket.connect")
        await cluster.ready()
        await load.goes_on(500)
        # Paused first, so that it surely holds something when it dies.
        doomed.pause()
        await until(lambda: cluster.held_by(doomed), 5, "messages are stuck in the paused worker")
        doomed.kill()
        killed_s = asyncio.get_running_loop().time()
        await cluster.forgotten(doomed.id)
        await load.finish()

        assert load.closed() == {}
        assert load.seconds(killed_s)[-1] < RESUMES_WITHIN_S
    load.check()


async def test_a_slow_handler_holds_nobody_elses_messages_while_another_worker_is_idle(
    cluster: Processes,
) -> None:
    await cluster.start(interfaces=1, workers=2)
    address = cluster.interfaces[0].address

    async with Client() as client, Load([address], 50) as load:
        await load.goes_on(500)
        slow_s = asyncio.get_running_loop().time()
        socket = await client.open(f"{address}/trouble/slow")
        await socket.send("slow")
        await socket.hears(1)
        await load.goes_on(500)
        await load.finish()

        # The slow handler takes 2 s; what had been read behind it is handed back and taken within a heartbeat or two.
        assert load.seconds(slow_s)[-1] < 1.0
    load.check()
