"""Figures with generous bounds: what clients feel of a rolling restart, of a drain, and of a Redis that forgets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
import pytest_asyncio

from tests.faults.cases import FORGOTTEN, WORKER_WITHIN_S
from tests.faults.cluster import Cluster
from tests.faults.conftest import Clusters
from tests.faults.ledger import Ledger
from tests.faults.load import Load
from tests.faults.play import end
from tests.faults.promises import Promises
from trunkline.protocol.exit_codes import ExitCode

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

Note = Callable[[str, object], None]

SLOWER = 5.0
LEAST_P99_S = 1.0
"""On a busy machine a p99 of milliseconds says nothing: the new worker's imports take a core from everybody else."""
DRAINED = 200
"""Connections of the drained server; it closes ten in each twentieth of a second (`interface.drain`)."""
PACED_S = 0.5
WHOLE_WITHIN_S = 2.0


@pytest_asyncio.fixture(loop_scope="session")
async def cluster(clusters: Clusters) -> AsyncIterator[Cluster]:
    """A whole cluster, that nobody gets behind this test: not every test leaves it as it was."""
    made = await clusters.get()
    await made.start()
    yield made
    await clusters.spoil()


def p99_s(seconds: Sequence[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100]


async def end_uncut(cluster: Cluster, load: Load, promises: Promises) -> Ledger:
    """Ends a load of which nobody cut a connection."""
    await load.finish()
    assert not any(talker.record.cut for talker in load.talkers)
    return await end(cluster, load, promises, WORKER_WITHIN_S)


async def test_a_rolling_restart_of_the_workers_ends_no_connection_and_hardly_delays_one(
    cluster: Cluster, record_property: Note
) -> None:
    clock = asyncio.get_running_loop().time
    async with Load(cluster.addresses) as load:
        await load.goes_on(300)
        began_s = clock()
        await load.goes_on(1500)
        before_s = p99_s(load.waits_s(began_s))
        restarted_s = clock()
        for place in range(len(cluster.workers)):
            old = await cluster.replace_worker(place)
            old.process.terminate()
            assert await old.process.ends() == ExitCode.OK
            await old.close_proxies()
        await load.goes_on(500)
        during_s = p99_s(load.waits_s(restarted_s))
        ledger = await end_uncut(cluster, load, Promises())

    assert ledger.broken(Promises()) == []
    times = during_s / before_s
    record_property(
        "fault_figure",
        f"rolling restart of workers: 0 of {len(load.talkers)} connections ended, p99 {times:.1f} times that before",
    )
    assert during_s <= max(SLOWER * before_s, LEAST_P99_S)


async def test_a_drained_interface_closes_at_an_even_pace_and_loses_nothing(
    cluster: Cluster, record_property: Note
) -> None:
    clock = asyncio.get_running_loop().time
    closed_s: list[float] = []

    async with Load(cluster.addresses, connections=2 * DRAINED, pace_s=0.5) as load:

        async def closes(number: int) -> None:
            await load.talkers[number].gone()
            closed_s.append(clock())

        await load.goes_on(2 * DRAINED)
        closing = [asyncio.create_task(closes(number)) for number in range(0, 2 * DRAINED, 2)]
        drained = cluster.interfaces[0]
        drained.process.terminate()
        assert await drained.process.ends() == ExitCode.OK
        await asyncio.gather(*closing)
        await load.finish()
        cut = [talker for talker in load.talkers if talker.record.cut]
        await load.all_gone(cut, 10)
        ledger = await end(cluster, load, Promises(), WORKER_WITHIN_S)

    assert {talker.record.code for talker in cut} == {1012}
    assert len(cut) == DRAINED
    assert ledger.broken(Promises()) == []
    spread_s = closed_s[-1] - closed_s[0]
    record_property(
        "fault_figure",
        f"drain of an interface: {DRAINED} connections closed with 1012 over {spread_s:.1f} s, 0 events lost",
    )
    assert spread_s >= PACED_S


async def test_groups_are_whole_again_soon_after_redis_forgot_everything(
    cluster: Cluster, record_property: Note
) -> None:
    clock = asyncio.get_running_loop().time
    async with Load(cluster.addresses) as load:
        await load.goes_on(600)
        async with cluster.processes.data() as data:
            await data.flushall()
        flushed_s = clock()
        await load.everybody_goes_on(WHOLE_WITHIN_S)
        # Every member hears every send that begins from here on.
        first = {talker.record.name: talker.record.sent for talker in load.talkers}
        whole_s = clock() - flushed_s
        await load.goes_on(1500)
        ledger = await end_uncut(cluster, load, FORGOTTEN)

    late = [
        entry
        for entry in ledger.entries()
        if entry.column == "groups" and (entry.number or 0) >= first[entry.sender]
    ]
    lost = [entry for entry in ledger.entries() if entry.column in ("events", "replies")]
    assert [entry for entry in lost if entry.fault.kind == "lost"] == []
    assert late == []
    record_property("fault_figure", f"FLUSHALL: groups whole {whole_s:.1f} s later, no inbound event lost")
    assert whole_s <= WHOLE_WITHIN_S
