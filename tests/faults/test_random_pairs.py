"""Two faults at once, at random: a seed makes each, and ``make faults ARGS="--fault-seed N"`` plays it again."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from tests.faults.conftest import Clusters
from tests.faults.pairs import pair

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

PAIRS = 6


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """So many fresh seeds, or the one that was asked for. Not the seeds themselves: test processes agree on ids."""
    metafunc.parametrize(
        "turn", range(1 if metafunc.config.getoption("--fault-seed", None) is not None else PAIRS)
    )


async def test_two_faults_at_random_lose_double_and_reorder_nothing(
    turn: int,
    clusters: Clusters,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    given = request.config.getoption("--fault-seed", None)
    seed = secrets.randbelow(10**6) if given is None else int(given)
    case = pair(seed)
    print(f'{case.name}; again: make faults ARGS="-k random --fault-seed {seed}"')
    result = await clusters.play(case)
    record_property("fault_case", result._asdict())
