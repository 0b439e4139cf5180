"""What came of a workload."""

from __future__ import annotations

from dataclasses import dataclass

from .figures import Spread, paired_ratios, spread
from .spec import Kind, Report
from .workloads import Workload


@dataclass(frozen=True, slots=True)
class Run:
    """A run.

    Attributes:
        report: what it showed.
        faults: why it is void; empty if it counts.
        figure: in the workload's unit, None if it is void.
    """

    report: Report
    faults: list[str]
    figure: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """All runs of a workload.

    Attributes:
        name: of the workload.
        workload: what was run.
        connections: how many there were.
        mine: runs of Trunkline; those of the same index in the two lists are a pair.
        floors: runs of the floor.
    """

    name: str
    workload: Workload
    connections: int
    mine: list[Run]
    floors: list[Run]

    def ratio(self) -> Spread | None:
        """Over the pairs in which both runs count; None if there are none."""
        pairs = [(mine.figure, floor.figure) for mine, floor in zip(self.mine, self.floors, strict=True)]
        ratios = paired_ratios(pairs)
        return spread(ratios) if ratios else None


def figure(report: Report, kind: Kind, holder: str, connections: int) -> float:
    """What a run cost, in the workload's unit.

    Args:
        report: of the run.
        kind: of its load.
        holder: role of the process that holds the sockets.
        connections: how many there were.
    """
    if kind is Kind.IDLE:
        return report.pss_bytes[holder] / connections / 1024
    return report.cpu_us_per_message


def figures(runs: list[Run]) -> Spread | None:
    """Of the runs that count; None if there are none."""
    values = [run.figure for run in runs if run.figure is not None]
    return spread(values) if values else None


def judge(outcome: Outcome, floor_medians: dict[str, float]) -> tuple[float, bool] | None:
    """Holds a workload against its limit.

    Args:
        outcome: of the workload.
        floor_medians: workload name to the floor's median there.

    Returns:
        The value that the limit is about and whether it is kept; None if there is no limit or no value.
    """
    limit, mine = outcome.workload.limit, figures(outcome.mine)
    if limit is None or mine is None:
        return None
    if limit.of is None:
        value = mine.median
    elif limit.of == "pair":
        ratio = outcome.ratio()
        if ratio is None:
            return None
        value = ratio.median
    elif limit.of in floor_medians:
        value = mine.median / floor_medians[limit.of]
    else:
        return None
    return value, value <= limit.most
