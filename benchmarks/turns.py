"""Who takes turns in a workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .files import most_connections
from .outcome import OURS
from .peer import Peer, Route
from .spec import Kind
from .systems import FLOOR
from .workload import ALL, Workload


@dataclass(frozen=True, slots=True)
class Turn:
    """One that is measured in every round of a workload.

    Attributes:
        name: of the system; of the other workload, if it is Trunkline under that.
        peer: the system.
        workload: what it is measured under.
    """

    name: str
    peer: Peer
    workload: Workload


def turns(name: str, peers: Sequence[Peer], workloads: Mapping[str, Workload]) -> list[Turn]:
    """Those that take turns: the systems, then Trunkline under the workloads that a limit compares this one with.

    Args:
        name: of the workload.
        peers: the systems that can run here; Trunkline is the first.
        workloads: name to workload.
    """
    workload = workloads[name]
    others = {limit.of: workloads[limit.of] for limit in workload.limits if limit.of in workloads}
    return [
        *(Turn(peer.name, peer, workload) for peer in peers if takes_part(peer, workload)),
        *(Turn(other, peers[0], compared) for other, compared in others.items()),
    ]


def route_of(peer: Peer, workload: Workload) -> Route | None:
    """Where a system does a workload's job, None if it does not. Silent connections may be silent anywhere."""
    anywhere = next(iter(peer.routes.values()), None) if workload.kind is Kind.IDLE else None
    return peer.routes.get(workload.job, anywhere)


def takes_part(peer: Peer, workload: Workload) -> bool:
    """Whether a system is measured in a workload."""
    if route_of(peer, workload) is None:
        return False
    if peer.name == OURS:
        return True
    if peer.name == FLOOR.name:
        return workload.floor
    return workload.peers == ALL or peer.name in workload.peers


def connections(workload: Workload, most: int) -> int:
    """How many connections a workload has: what the files of the processes that hold them let it have.

    Args:
        workload: it.
        most: of any workload.
    """
    holders = workload.shape.interfaces if workload.kind is Kind.IDLE else 1
    return min(workload.connections, most, most_connections() * holders)
