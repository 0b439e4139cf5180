"""The tables of the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from .findings import Report
from .limits import Value
from .outcome import OURS, Outcome, Run, counting, judge
from .peer import by_role
from .spec import Kind
from .text import number, ranged, ratio, table
from .workload import Measure

_MIB = 1024 * 1024


def title(outcome: Outcome) -> str:
    """A workload with its number of connections."""
    many = f", {outcome.connections:,} connections" if outcome.connections > 1 else ""
    if outcome.workload.kind is Kind.CONNECT:
        many = ""  # the number is a bound
    at = f" ({outcome.rate:,.0f}/s)" if outcome.workload.half else ""
    return f"{outcome.workload.title}{at}{many}"


def short(outcomes: Sequence[Outcome], floor: str) -> str:
    """The table for the README: Trunkline against the floor.

    Args:
        outcomes: of the workloads.
        floor: its name.
    """
    rows = []
    for outcome in outcomes:
        mine, other, beside = (
            outcome.value(OURS, Value.FIGURE),
            outcome.value(floor, Value.FIGURE),
            outcome.ratio(floor),
        )
        latency = [_middle(outcome, OURS, value) for value in (Value.P50_MS, Value.P99_MS)]
        rows.append(
            [
                title(outcome),
                f"{number(mine.median)} {outcome.workload.measure}" if mine else "void",
                number(other.median) if other else "",
                ratio(beside.median) if beside else "",
                " / ".join(latency) if outcome.workload.latency else "",
            ]
        )
    return table(["Workload", "Trunkline", "bare aiohttp", "ratio", "p50 / p99 ms"], rows)


def targets(outcomes: Sequence[Outcome]) -> str:
    """Each limit, what was measured, and whether it is kept."""
    rows = []
    for outcome in outcomes:
        for limit in outcome.workload.limits:
            value = judge(outcome, limit)
            show = ratio if limit.of else number
            measured = "not measured" if value is None else show(value)
            kept = "" if value is None else "kept" if limit.keeps(value) else "**not kept**"
            unit_words = "" if limit.of or limit.value else f" {outcome.workload.measure}"
            rows.append([title(outcome), f"{limit}{unit_words}", measured, kept])
    return table(["Workload", "target", "measured", ""], rows)


def costs(outcomes: Sequence[Outcome]) -> str:
    """Cost of each workload in each system."""
    rows = []
    for outcome in outcomes:
        for index, system in enumerate(outcome.runs):
            beside = "" if system == OURS else ranged(outcome.ratio(system), ratio)
            rows.append(
                [
                    title(outcome) if not index else "",
                    outcome.workload.measure if not index else "",
                    system,
                    ranged(outcome.value(system, Value.FIGURE)),
                    beside,
                    _median_of(outcome, system, _rate),
                    _middle(outcome, system, Value.P50_MS),
                    _middle(outcome, system, Value.P99_MS),
                    _middle(outcome, system, Value.REDIS_CALLS),
                    _median_of(outcome, system, lambda report: report.syscalls),
                ]
            )
    head = [
        "Workload",
        "unit",
        "system",
        "figure",
        "Trunkline to it",
        "per s",
        "p50 ms",
        "p99 ms",
        "Redis calls",
        "syscalls",
    ]
    return table(head, rows)


def shares(outcomes: Sequence[Outcome]) -> str:
    """Which process spends how much, and what the machine did besides."""
    rows = []
    for outcome in outcomes:
        for system, all_runs in outcome.runs.items():
            runs = counting(all_runs)
            if runs:
                rows.append([outcome.name, system, *_share_cells(outcome, system, runs)])
    head = ["Workload", "system", "by role", "besides", "generator's core", "others on servers' core"]
    return table(head, rows)


def voids(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for each run that does not count."""
    return [
        f"{outcome.name}, {system}, run {index}: {'; '.join(run.faults)}"
        for outcome in outcomes
        for system, runs in outcome.runs.items()
        for index, run in enumerate(runs, 1)
        if run.faults
    ]


def left_out(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for each system that failed in a workload."""
    return [
        f"{outcome.name}: {system}: {reason.splitlines()[0]}"
        for outcome in outcomes
        for system, reason in outcome.left_out.items()
    ]


def _rate(report: Report) -> float | None:
    return report.rate if report.messages else None


def _middle(outcome: Outcome, system: str, value: Value) -> str:
    spread = outcome.value(system, value)
    return "" if spread is None else number(spread.median)


def _median_of(outcome: Outcome, system: str, get: Callable[[Report], float | None]) -> str:
    runs = counting(outcome.runs[system])
    values = [value for run in runs if (value := get(run.report)) is not None]
    return number(median(values)) if values else ""


def _share_cells(outcome: Outcome, system: str, runs: Sequence[Run]) -> list[str]:
    return [
        ", ".join(_roles(outcome, runs)),
        "; ".join(_besides(outcome, runs)),
        f"{median(run.report.generator_share for run in runs):.0%}",
        _others(runs),
    ]


def _others(runs: Sequence[Run]) -> str:
    others = [run.report.others_share for run in runs if run.report.others_share is not None]
    return f"{median(others):.0%}" if others else "unknown"


def _roles(outcome: Outcome, runs: Sequence[Run]) -> list[str]:
    """What each role spends; processes of one role, which differ by a number behind it, together."""
    return [
        f"{name}{f' x{len(alike)}' if len(alike) > 1 else ''} "
        f"{number(sum(_role(outcome, runs, role) for role in alike))}"
        for name, alike in by_role(runs[0].report.cpu_us).items()
    ]


def _role(outcome: Outcome, runs: Sequence[Run], role: str) -> float:
    if outcome.workload.measure is Measure.MEMORY:
        return median(run.report.pss_bytes[role] / outcome.connections / 1024 for run in runs)
    return median(run.report.cpu_us[role] / run.report.messages for run in runs)


def _besides(outcome: Outcome, runs: Sequence[Run]) -> list[str]:
    """What only some kinds of load have."""
    kind = outcome.workload.kind
    reports = [run.report for run in runs]
    found = []
    if kind is Kind.IDLE:
        kernel = median((report.kernel_bytes or 0) / outcome.connections / 1024 for report in reports)
        found.append(f"kernel {number(max(0.0, kernel))} KiB, both ends")
    if kind is Kind.OVERLOAD:
        found.append(f"most {number(median(report.capacity or 0 for report in reports))}/s")
        offered = median((report.offered or 0) / report.window_s for report in reports)
        found.append(f"offered {number(offered)}/s")
        grown = median(sum(report.pss_bytes.values()) for report in reports) / _MIB
        found.append(f"grew by {number(grown)} MiB")
    if kind is Kind.STORM:
        found.append(f"handshakes tried again {number(median(report.retries for report in reports))}")
        found.append(f"stayed away {max(report.failed for report in reports)}")
    if outcome.workload.slow or kind is Kind.OVERLOAD:
        found.append(f"closed by the server {number(median(report.dropped for report in reports))}")
    return found
