"""Which cases each topology has: those of one Redis, but for what makes no sense there, and some of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.faults.cases import CASES, Case
from tests.faults.sentinel_cases import SENTINEL_CASES
from tests.support.topology import VARIABLE, Topology, chosen

WITHIN_S: Final = 30.0
"""How quickly it goes on is to be said on one Redis. Here each history must be right, on however busy a machine."""

OWN: Final[dict[Topology, tuple[Case, ...]]] = {
    "one": (),
    "two": (),
    "sentinel": SENTINEL_CASES,
}
"""Cases of one topology. Those of a Redis Cluster are in `tests/topologies/test_redis_cluster.py`."""

_LAGGING = "redis replaced by a lagging replica"
LEFT_OUT: Final[dict[Topology, dict[str, str]]] = {
    "one": {},
    "two": {},
    "sentinel": {_LAGGING: "the cases of its own have a replica promoted, by Sentinel itself"},
}
"""Cases that make no sense there, and why."""


def present() -> Topology:
    """Where this run's cases are played.

    Raises:
        ValueError: the fault suite does not run where it was told to.
    """
    found = chosen()
    if found not in OWN:
        raise ValueError(f"{VARIABLE} is {found!r}; the fault suite runs on one of {', '.join(OWN)}")
    return found


def cases_on(topology: Topology) -> tuple[Case, ...]:
    """The cases of a topology, in the order in which they stand in the table."""
    if topology == "one":
        return CASES
    common = [
        replace(case, within_s=max(case.within_s, WITHIN_S))
        for case in CASES
        if case.name not in LEFT_OUT[topology]
    ]
    return (*common, *OWN[topology])
