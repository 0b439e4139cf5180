"""Which cases each topology has: all those of one Redis, and some of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.faults.cases import CASES, Case
from tests.faults.cluster_cases import CLUSTER_CASES
from tests.faults.sentinel_cases import SENTINEL_CASES
from tests.support.topology import Topology

WITHIN_S: Final = 30.0
"""How quickly it goes on is to be said on one Redis. Here each history must be right, on however busy a machine."""

OWN: Final[dict[Topology, tuple[Case, ...]]] = {
    "one": (),
    "two": (),
    "sentinel": SENTINEL_CASES,
    "cluster": CLUSTER_CASES,
}
"""Cases of one topology."""


def cases_on(topology: Topology) -> tuple[Case, ...]:
    """The cases of a topology, in the order in which they stand in the table."""
    if topology == "one":
        return CASES
    return (*(replace(case, within_s=max(case.within_s, WITHIN_S)) for case in CASES), *OWN[topology])
