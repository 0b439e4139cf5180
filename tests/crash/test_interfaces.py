"""Interface servers die, hang and wake up again: each of their connections is ended once."""

from __future__ import annotations

import asyncio

from tests.support.load import Load
from tests.support.processes import Interface, Processes
from tests.support.waiting import until

CONNECTIONS = 100
DISCONNECTS_WITHIN_S = 10.0


async def start(cluster: Processes) -> tuple[Interface, Interface]:
    await cluster.start(interfaces=2, workers=2)
    first, second = cluster.interfaces
    return first, second


def observed(observers: Load) -> list[str]:
    """What the only observer has heard: name and close code of each connection that is gone."""
    return observers.talkers[0].heard


async def all_gone(observers: Load, load: Load, within_s: float) -> None:
    await until(
        lambda: len(observed(observers)) >= len(load.talkers), within_s, "all disconnects are handled"
    )


async def test_the_connections_of_a_killed_interface_are_disconnected_once_and_leave_nothing(
    cluster: Processes,
) -> None:
    dying, staying = await start(cluster)

    async with (
        Load([staying.address], 1, 0, path="/observe") as observers,
        Load([staying.address], 20, pace_s=0.05) as bystanders,
        Load([dying.address], CONNECTIONS) as load,
    ):
        await load.goes_on(1000)
        dying.kill()
        await all_gone(observers, load, DISCONNECTS_WITHIN_S)
        await cluster.forgotten(dying.id)
        await bystanders.goes_on(100)
        await bystanders.finish()

        assert sorted(observed(observers)) == sorted(f"{talker.name} 1006" for talker in load.talkers)
        assert bystanders.closed() == {}
        assert await cluster.count_keys("session") == len(bystanders.talkers)
    load.check()
    bystanders.check()


async def test_connections_whose_handshake_was_under_way_when_the_interface_died_leave_nothing(
    cluster: Processes,
) -> None:
    dying, staying = await start(cluster)

    async with Load([staying.address], 1, 0, path="/observe") as observers:
        # Their connect entries wait until workers run again, behind the death.
        for worker in cluster.workers:
            worker.pause()
        opening = asyncio.create_task(Load([dying.address], 30, 0).__aenter__())
        await until(lambda: waiting_entries(cluster, 30), 10, "the connect events are published")
        dying.kill()
        await asyncio.wait([opening])
        for worker in cluster.workers:
            worker.resume()
        await until(lambda: len(observed(observers)) >= 30, DISCONNECTS_WITHIN_S, "30 disconnects")
        await cluster.forgotten(dying.id)

        assert opening.exception() is not None
        assert sorted(observed(observers)) == sorted(f"c{number} 1006" for number in range(30))
    await cluster.until_no_key("session")
    await cluster.until_no_key("group")


async def waiting_entries(cluster: Processes, count: int) -> bool:
    async with cluster.operator() as layer:
        stats = await layer.stats()
    return sum(channel.length for channel in stats.channels) >= count


async def test_an_interface_that_wakes_up_behind_its_lease_starts_over_under_a_new_id(
    cluster: Processes,
) -> None:
    paused, staying = await start(cluster)

    async with (
        Load([staying.address], 1, 0, path="/observe") as observers,
        Load([paused.address], CONNECTIONS, pace_s=0.05) as load,
    ):
        await load.goes_on(500)
        paused.pause()
        await all_gone(observers, load, DISCONNECTS_WITHIN_S)
        await cluster.forgotten(paused.id)
        paused.resume()
        await asyncio.gather(*(talker.gone() for talker in load.talkers))
        lease = await until(lambda: cluster.lets_in(paused), 10, "it has a lease again and lets clients in")

        assert lease is not None and lease.id != paused.id
        assert set(load.closed().values()) == {1012}
        async with Load([paused.address], 20, 50) as again:
            await again.finish()
        again.check()
        # The connections of its new life were closed by their clients; of the old ones nobody has heard twice.
        await until(lambda: len(observed(observers)) >= CONNECTIONS + 20, 10, "the new ones are gone too")
        assert sorted(observed(observers)[:CONNECTIONS]) == sorted(
            f"{talker.name} 1006" for talker in load.talkers
        )
        assert sorted(observed(observers)[CONNECTIONS:]) == sorted(
            f"{talker.name} 1000" for talker in again.talkers
        )
    load.check()
    assert await cluster.traces(paused.id) == []
