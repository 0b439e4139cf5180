"""The tables: a short one for the README, and the whole of ``RESULTS.md``."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from .figures import Spread
from .outcome import Outcome, Run, figures, judge
from .spec import Kind
from .systems import FLOOR, INTERFACE, WORKER


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float) -> str:
    """Three figures, as far as that makes sense."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ranged(values: Spread | None, unit: str = "") -> str:
    """Median and range."""
    if values is None:
        return "void"
    return f"{number(values.median)}{unit} ({number(values.low)} to {number(values.high)})"


def _counting(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if not run.faults]


def _median_latency(runs: Sequence[Run], which: str) -> str:
    values = [value for run in _counting(runs) if (value := getattr(run.report, which)) is not None]
    return f"{median(values) / 1e3:.2f}" if values else ""


def _title(outcome: Outcome) -> str:
    many = f", {outcome.connections:,} connections" if outcome.connections > 1 else ""
    return f"{outcome.workload.title}{many}"


def floor_medians(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Workload name to the floor's median."""
    found = {outcome.name: figures(outcome.floors) for outcome in outcomes}
    return {name: values.median for name, values in found.items() if values is not None}


def short(outcomes: Sequence[Outcome]) -> str:
    """The table for the README."""
    rows = []
    for outcome in outcomes:
        mine, other, ratio = figures(outcome.mine), figures(outcome.floors), outcome.ratio()
        rows.append(
            [
                _title(outcome),
                f"{number(mine.median)} {outcome.workload.unit}" if mine else "void",
                number(other.median) if other else "void",
                f"{number(ratio.median)}x" if ratio else "void",
                _latency_pair(outcome.mine),
            ]
        )
    return table(["Workload", "Trunkline", "bare aiohttp", "ratio", "p50 / p99 ms"], rows)


def _latency_pair(runs: Sequence[Run]) -> str:
    low, high = _median_latency(runs, "p50_us"), _median_latency(runs, "p99_us")
    return f"{low} / {high}" if low else ""


def costs(outcomes: Sequence[Outcome]) -> str:
    """Cost, ratio and limit of each workload."""
    medians = floor_medians(outcomes)
    rows = []
    for outcome in outcomes:
        verdict = judge(outcome, medians)
        limit = str(outcome.workload.limit) if outcome.workload.limit else ""
        if verdict is not None:
            limit += f": {number(verdict[0])}, {'kept' if verdict[1] else 'MISSED'}"
        rows.append(
            [
                _title(outcome),
                outcome.workload.unit,
                ranged(figures(outcome.mine)),
                ranged(figures(outcome.floors)),
                ranged(outcome.ratio(), "x"),
                limit,
            ]
        )
    return table(["Workload", "unit", "Trunkline", "floor", "ratio of pairs", "limit"], rows)


def shares(outcomes: Sequence[Outcome]) -> str:
    """Which process spends how much, and what the machine did besides."""
    rows = []
    for outcome in outcomes:
        for label, runs in (("Trunkline", outcome.mine), ("floor", outcome.floors)):
            counting = _counting(runs)
            if counting:
                rows.append([outcome.name, label, *_share_cells(outcome, counting)])
    head = [
        "Workload",
        "system",
        "by role",
        "per s",
        "p50 ms",
        "p99 ms",
        "generator's core",
        "others on servers' core",
    ]
    return table(head, rows)


def _share_cells(outcome: Outcome, runs: Sequence[Run]) -> list[str]:
    others = [run.report.others_share for run in runs if run.report.others_share is not None]
    return [
        ", ".join(f"{role} {number(_role(outcome, runs, role))}" for role in runs[0].report.cpu_us),
        f"{median(run.report.rate for run in runs):,.0f}",
        _median_latency(runs, "p50_us"),
        _median_latency(runs, "p99_us"),
        f"{median(run.report.generator_share for run in runs):.0%}",
        f"{median(others):.0%}" if others else "unknown",
    ]


def _role(outcome: Outcome, runs: Sequence[Run], role: str) -> float:
    if outcome.workload.kind is Kind.IDLE:
        return median(run.report.pss_bytes[role] / outcome.connections / 1024 for run in runs)
    return median(run.report.cpu_us[role] / run.report.messages for run in runs)


def voids(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for each run that does not count."""
    return [
        f"{outcome.name}, {label}, run {index}: {'; '.join(run.faults)}"
        for outcome in outcomes
        for label, runs in (("Trunkline", outcome.mine), ("floor", outcome.floors))
        for index, run in enumerate(runs, 1)
        if run.faults
    ]


def document(outcomes: Sequence[Outcome], facts: Sequence[str], date: str) -> str:
    """``RESULTS.md``.

    Args:
        outcomes: of the workloads.
        facts: lines about machine, versions and how it was run.
        date: of the run.
    """
    commands = [
        " ".join(("redis-server", "redis.conf")),
        *(" ".join(words) for words in (INTERFACE, WORKER, FLOOR)),
    ]
    parts = [
        "# Results",
        f"Written by `make bench` on {date}; how it measures stands in [README.md](README.md).",
        "\n".join(f"- {fact}" for fact in facts),
        "## Cost",
        "Median (least to most). CPU is that of all server processes, Redis included; the ratio is the median over "
        "pairs of runs that followed each other.",
        costs(outcomes),
        "## Shares",
        "Medians. A role's share is in the workload's unit. Of saturated workloads without latencies it does not "
        "matter how busy the generator was.",
        shares(outcomes),
        "## Void runs",
        "\n".join(f"- {line}" for line in voids(outcomes)) or "None.",
        "## Servers",
        "```\n" + "\n".join(commands) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"
