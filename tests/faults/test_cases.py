"""Every fault at every step of a message's life; see `cases` for what each promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.cases import CASES, Case
from tests.faults.conftest import Clusters
from tests.faults.play import play

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_nothing_is_lost_doubled_or_reordered(
    case: Case, clusters: Clusters, record_property: Callable[[str, object], None]
) -> None:
    cluster = await clusters.get()
    whole = False
    try:
        result = await play(cluster, case)
        whole = case.keeps_cluster
    finally:
        if not whole:
            await clusters.spoil()
    record_property("fault_case", result._asdict())
    assert result.recovery_s <= case.within_s
