"""Chosen cases of the fault suite on each topology but one Redis.

The whole suite on one of them: ``make faults TOPOLOGY=two`` (``sentinel``, ``cluster``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

import pytest
import pytest_asyncio

from tests.faults.cases import Case
from tests.faults.conftest import Clusters
from tests.faults.on_topologies import OWN, cases_on
from tests.support.topology import Topology

pytestmark = [
    pytest.mark.topologies,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(300),
]

CHOSEN: Final[dict[Topology, frozenset[str]]] = {
    "two": frozenset(
        (
            "worker SIGKILL after commit",
            "worker partition before commit",
            "worker reset of all after commit",
            "interface SIGKILL after publish",
            "interface partition before renewal",
            "interface reset of all after publish",
            "redis SIGKILL and restart",
            "redis SIGKILL and restart 3 s later",
            "redis SIGSTOP for 3 s",
            "redis FLUSHALL thrice",
            "redis XGROUP DESTROY",
        )
    ),
    "sentinel": frozenset(case.name for case in OWN["sentinel"]),
    "cluster": frozenset(case.name for case in OWN["cluster"]),
}
"""One for each way in which a process or a Redis is away and comes back, and those in which another takes its place.
The time that CI has does not allow more."""


def _cases(topology: Topology) -> list[Case]:
    found = [case for case in cases_on(topology) if case.name in CHOSEN[topology]]
    assert len(found) == len(CHOSEN[topology]), "a case has another name now"
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def clusters_on(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Callable[[Topology], Clusters]]:
    """Clusters of each topology. They end with this module: their proxies live in the loop of its tests, which stands
    still in those that wait for another suite."""
    made: dict[Topology, Clusters] = {}

    def get(topology: Topology) -> Clusters:
        if topology not in made:
            made[topology] = Clusters(tmp_path_factory.mktemp(topology), topology)
        return made[topology]

    yield get
    for clusters in made.values():
        await clusters.spoil()


@pytest_asyncio.fixture(loop_scope="session")
async def clusters(
    topology: Topology, clusters_on: Callable[[Topology], Clusters]
) -> AsyncIterator[Clusters]:
    """Clusters of the case's topology."""
    yield clusters_on(topology)


@pytest.mark.parametrize(
    ("topology", "case"),
    [
        pytest.param(
            topology, case, id=f"{topology}-{case.id}", marks=pytest.mark.xdist_group(f"faults on {topology}")
        )
        for topology in CHOSEN
        for case in _cases(topology)
    ],
)
async def test_nothing_is_lost_doubled_or_reordered(
    topology: Topology, case: Case, clusters: Clusters, record_property: Callable[[str, object], None]
) -> None:
    result = await clusters.play(case)
    record_property("fault_case", {**result._asdict(), "case": f"{topology}: {case.name}"})
