"""A Redis that Sentinel watches, under numbered load: its primary is killed, stands still, is failed over on request.

What is promised is what the table of promises says where Redis forgets the last writes, and everything exactly once
where it forgets none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from tests.faults.cases import Case
from tests.faults.conftest import Clusters
from tests.topologies.by_sentinel import CASES, by_sentinels

pytestmark = [pytest.mark.topologies, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def clusters(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clusters]:
    """Clusters over a primary, two replicas and three Sentinels."""
    made = Clusters(tmp_path_factory.mktemp("sentinel"), by_sentinels)
    yield made
    await made.spoil()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_nothing_is_lost_doubled_or_reordered(
    case: Case, clusters: Clusters, record_property: Callable[[str, object], None]
) -> None:
    result = await clusters.play(case)
    print(result)
    record_property("fault_case", result._asdict())
