"""A message costs no more instructions than its gate says, on each hot path."""

from __future__ import annotations

import pytest

from tests.instructions.callgrind import LIMIT_S
from tests.instructions.gates import Cost, Gates

pytestmark = [pytest.mark.instructions, pytest.mark.timeout(LIMIT_S + 60)]

PATHS = (
    "inbound",
    "inbound-alone",
    "release",
    "release-alone",
    "fan-out-200",
    "echo",
    "echo-alone",
    "echo-session",
    "group-send",
)


@pytest.mark.parametrize("path", PATHS)
def test_a_message_costs_no_more_than_its_gate(path: str, counted: dict[str, Cost], gates: Gates) -> None:
    said = gates.fault(counted[path])
    if said is not None:
        pytest.fail(said, pytrace=False)


def test_every_path_that_is_counted_is_tested_and_has_a_gate(counted: dict[str, Cost], gates: Gates) -> None:
    assert counted.keys() == gates.ratios.keys() == set(PATHS)
