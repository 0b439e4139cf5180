"""What runs come to."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.figures import Spread
from benchmarks.outcome import Outcome, Run, figure, figures, judge
from benchmarks.report import costs, short, voids
from benchmarks.spec import Kind
from benchmarks.workloads import WORKLOADS, Limit
from tests.benchmarks.reports import report


def run(value: float | None) -> Run:
    return Run(report(), [] if value is not None else ["2 connections were lost"], value)


def outcome(mine: list[float | None], floors: list[float | None], limit: Limit | None = None) -> Outcome:
    workload = replace(WORKLOADS["echo"], limit=limit)
    return Outcome("echo", workload, 200, [run(value) for value in mine], [run(value) for value in floors])


def test_a_message_costs_the_cpu_of_all_processes() -> None:
    assert figure(report(), Kind.CLOSED, "interface", 200) == 20.0


def test_an_idle_connection_costs_the_growth_of_the_process_that_holds_it() -> None:
    grown = report(pss_bytes={"interface": 20_480, "worker": 9_999, "redis": 9_999})
    assert figure(grown, Kind.IDLE, "interface", 10) == 2.0


def test_void_runs_are_left_out() -> None:
    assert figures([run(4.0), run(None), run(2.0)]) == Spread(3.0, 2.0, 4.0)
    assert figures([run(None)]) is None


def test_a_limit_on_the_ratio_is_about_pairs() -> None:
    # Medians of both sides would give 30 / 20; the pairs give 3, 1 and 1.5.
    held = outcome([30.0, 20.0, 45.0], [10.0, 20.0, 30.0], Limit(1.5, "pair"))
    assert judge(held, {}) == (1.5, True)


def test_a_limit_on_another_workload_is_about_the_floor_there() -> None:
    missed = outcome([9.0], [5.0], Limit(0.7, "echo"))
    assert judge(missed, {"echo": 10.0}) == (0.9, False)
    assert judge(missed, {}) is None


def test_without_a_run_that_counts_there_is_no_verdict_but_a_table() -> None:
    void = outcome([None], [10.0], Limit(3.5, "pair"))
    assert judge(void, {}) is None
    assert "void" in short([void])
    assert "void" in costs([void])
    assert voids([void]) == ["echo, Trunkline, run 1: 2 connections were lost"]


def test_a_missed_limit_is_said() -> None:
    assert "MISSED" in costs([outcome([40.0], [10.0], Limit(3.5, "pair"))])
