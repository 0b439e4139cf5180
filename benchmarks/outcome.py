"""What came of a workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .figures import Spread, paired_ratios, spread
from .findings import Report
from .limits import Limit, Value
from .workload import Measure, Workload

OURS = "trunkline"
_KIB = 1024


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


@dataclass(slots=True)
class Outcome:
    """All runs of a workload.

    Attributes:
        name: of the workload.
        workload: what was run.
        connections: how many there were.
        rate: messages a second of a paced load.
        runs: name of a system to its runs, and of a workload that takes turns with this one to Trunkline's there; those
            of the same index are of one round.
        left_out: name of a system to the reason why it is not in the tables.
    """

    name: str
    workload: Workload
    connections: int
    rate: float = 0.0
    runs: dict[str, list[Run]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def ratio(self, other: str) -> Spread | None:
        """Of Trunkline to another system, over the rounds in which both runs count; None if there are none."""
        mine, others = self.runs.get(OURS, []), self.runs.get(other, [])
        pairs = [(a.figure, b.figure) for a, b in zip(mine, others, strict=False)]
        ratios = paired_ratios(pairs)
        return spread(ratios) if ratios else None

    def value(self, system: str, value: Value) -> Spread | None:
        """A value over a system's runs that count; None if there are none or they do not have it."""
        found = [
            one for run in counting(self.runs.get(system, [])) if (one := value_of(run, value)) is not None
        ]
        return spread(found) if found else None


def counting(runs: Sequence[Run]) -> list[Run]:
    """Those that are not void."""
    return [run for run in runs if run.figure is not None]


def figure(report: Report, measure: Measure, holders: Sequence[str], connections: int) -> float:
    """What a run showed, in the workload's unit.

    Args:
        report: of the run.
        measure: what the unit is.
        holders: roles of the processes that hold the sockets.
        connections: how many there were.
    """
    match measure:
        case Measure.MEMORY:
            return sum(report.pss_bytes[holder] for holder in holders) / connections / _KIB
        case Measure.RATE:
            return report.rate
        case Measure.BACK:
            return report.back_s or 0.0
        case Measure.SHARE:
            return report.rate / report.capacity if report.capacity else 0.0
        case _:
            return report.cpu_us_per_message


def value_of(run: Run, value: Value) -> float | None:
    """A value of one run; None if it does not have it."""
    report = run.report
    match value:
        case Value.FIGURE:
            return run.figure
        case Value.P50_MS:
            return None if report.p50_us is None else report.p50_us / 1e3
        case Value.P99_MS:
            return None if report.p99_us is None else report.p99_us / 1e3
        case Value.REDIS_CALLS:
            return report.redis_calls_per_message
        case Value.FAILED:
            return report.failed
        case Value.GROWTH_MIB:
            return sum(report.pss_bytes.values()) / _KIB / _KIB


def judge(outcome: Outcome, limit: Limit) -> float | None:
    """The value that a limit is about; None if the runs that it takes are missing or void.

    Args:
        outcome: of the limit's workload.
        limit: one of that workload's.
    """
    found = outcome.ratio(limit.of) if limit.of else outcome.value(OURS, limit.value)
    return None if found is None else found.median
