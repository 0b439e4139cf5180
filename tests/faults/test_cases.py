"""Every fault at every step of a message's life; see `cases` for what each promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.cases import Case
from tests.faults.conftest import Clusters
from tests.faults.on_topologies import cases_on
from tests.support.topology import chosen

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


@pytest.mark.parametrize("case", cases_on(chosen()), ids=lambda case: case.id)
async def test_nothing_is_lost_doubled_or_reordered(
    case: Case, clusters: Clusters, record_property: Callable[[str, object], None]
) -> None:
    result = await clusters.play(case)
    record_property("fault_case", result._asdict())
