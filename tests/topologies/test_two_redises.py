"""Two Redises, of which one is struck: the promises are those of one, and the other's connections hardly notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.cases import CASES, Case
from tests.faults.conftest import Clusters

pytestmark = [
    pytest.mark.topologies,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
]

NAMES = (
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
)
"""Cases of the fault suite."""
WITHIN_S = 30.0
"""How quickly it goes on is the fault suite's to say; here each history must be right, on however busy a machine."""


def _cases() -> list[Case]:
    found = {case.name: case for case in CASES}
    return [replace(found[name], within_s=WITHIN_S) for name in NAMES]


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case.id)
async def test_nothing_is_lost_doubled_or_reordered_on_two_redises(
    case: Case, on_two_redises: Clusters, record_property: Callable[[str, object], None]
) -> None:
    result = await on_two_redises.play(case)
    record_property("fault_case", result._asdict())
