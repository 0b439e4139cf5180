"""What runs come to, and the tables of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.figures import Spread
from benchmarks.limits import Limit, Value
from benchmarks.outcome import Outcome, figure, judge, value_of
from benchmarks.report import document, systems
from benchmarks.systems import FLOOR, TRUNKLINE
from benchmarks.tables import costs, left_out, shares, short, targets, voids
from benchmarks.workload import Measure
from benchmarks.workloads import WORKLOADS
from tests.benchmarks.reports import outcome, report, run


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        (Measure.MESSAGE, 20.0),
        (Measure.DELIVERY, 20.0),
        (Measure.CONNECT, 20.0),
        (Measure.MEMORY, 3.0),
        (Measure.RATE, 40.0),
        (Measure.BACK, 4.5),
        (Measure.SHARE, 0.8),
    ],
)
def test_a_figure_is_in_the_unit_of_its_workload(measure: Measure, value: float) -> None:
    grown = {"interface": 20_480, "interface-2": 10_240, "redis": 9_999}
    shown = report(pss_bytes=grown, back_s=4.5, capacity=50.0)
    assert figure(shown, measure, ["interface", "interface-2"], 10) == value


def test_values_of_a_run_are_those_of_its_report() -> None:
    one = run(20.0, failed=3, pss_bytes={"redis": 2 * 1024 * 1024})
    values = [value_of(one, value) for value in Value]
    assert values == [20.0, 0.2, 0.9, 0.1, 3, 2.0]
    assert value_of(run(20.0, p50_us=None, redis_calls=None), Value.P50_MS) is None


def test_void_runs_are_left_out() -> None:
    assert outcome([4.0, None, 2.0]).value("trunkline", Value.FIGURE) == Spread(3.0, 2.0, 4.0)
    assert outcome([None]).value("trunkline", Value.FIGURE) is None
    assert outcome([4.0]).value("floor", Value.FIGURE) is None


def test_a_limit_on_the_ratio_to_a_system_is_about_pairs() -> None:
    # Medians of both sides would give 30 / 20; the pairs give 3, 1 and 1.5.
    held = outcome([30.0, 20.0, 45.0], [10.0, 20.0, 30.0])
    assert judge(held, Limit(1.5, of="floor")) == 1.5
    assert judge(held, Limit(1.5, of="nchan")) is None


def test_a_limit_on_a_value_is_about_our_own_median() -> None:
    assert judge(outcome([1.0, 2.0]), Limit(0.4, Value.P50_MS)) == 0.2
    assert judge(outcome([None]), Limit(0.4, Value.P50_MS)) is None


def test_targets_say_kept_or_not_kept_or_not_measured() -> None:
    limits = (Limit(2.4, of="floor"), Limit(25), Limit(1.4, of="socketio-node"))
    lines = targets([outcome([30.0], [10.0], limits)]).splitlines()[2:]
    assert [line.split(" | ", 1)[1] for line in lines] == [
        "≤ 2.4x of floor | 3.00x | **not kept** |",
        "≤ 25 CPU µs/message | 30.0 | **not kept** |",
        "≤ 1.4x of socketio-node | not measured |  |",
    ]
    assert "kept |" in targets([outcome([20.0], [10.0], limits[:1])])


def test_without_a_run_that_counts_there_are_tables() -> None:
    void = outcome([None], [10.0], (Limit(3.5, of="floor"),))
    assert "void" in short([void], "floor")
    assert "void" in costs([void])
    assert "| echo | floor |" in shares([void])
    assert "not measured" in targets([void])
    assert voids([void]) == ["echo, trunkline, run 1: 2 connections were lost"]


def test_a_table_has_a_row_for_each_system_and_its_ratio() -> None:
    rows = costs([outcome([30.0, 20.0], [10.0, 10.0])]).splitlines()[2:]
    assert [row.split(" | ")[2:5] for row in rows] == [
        ["trunkline", "25.0 (20.0 to 30.0)", ""],
        ["floor", "10.0 (10.0 to 10.0)", "2.50x (2.00x to 3.00x)"],
    ]


def test_processes_of_one_role_are_added_up() -> None:
    several = {"worker": 800.0, "worker-2": 400.0, "redis": 400.0}
    shown = Outcome("sleep-2", WORKLOADS["sleep-2"], 200, runs={"trunkline": [run(1.0, cpu_us=several)]})
    assert "worker x2 15.0, redis 5.00" in shares([shown])


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "idle-5000",
            {"pss_bytes": {"interface": 1, "worker": 1, "redis": 1}, "kernel_bytes": 409_600},
            "2.00 KiB",
        ),
        ("overload-2", {"capacity": 40.0, "offered": 160, "dropped": 2}, "closed by the server 2"),
        ("storm", {"retries": 7, "failed": 1}, "stayed away 1"),
        ("slow-20", {"dropped": 20}, "closed by the server 20"),
    ],
)
def test_what_only_some_loads_have_stands_beside(name: str, changes: dict[str, object], words: str) -> None:
    shown = Outcome(name, WORKLOADS[name], 200, runs={"trunkline": [run(1.0, **changes)]})
    assert words in shares([shown])


def test_the_document_names_systems_targets_and_what_was_left_out() -> None:
    held = outcome([20.0], [10.0], (Limit(2.4, of="floor"),))
    held.left_out["other"] = "it did not come up\nand a log"
    floor = replace(FLOOR, versions=lambda: {"aiohttp": "3"})
    trunkline = replace(TRUNKLINE, versions=lambda: {"trunkline": "0"})
    text = document([held], systems([trunkline, floor]), {"nchan": "no package"}, ["a fact"], "results.svg")
    for words in (
        "- a fact",
        "](results.svg)",
        "2.00x | kept",
        FLOOR.guarantees,
        "python -m benchmarks.floor",
        "- nchan: no package",
        "- echo: other: it did not come up\n",
    ):
        assert words in text
    assert left_out([held]) == ["echo: other: it did not come up"]
