"""The whole suite once, tiny: whether it works, never how fast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.contenders import chosen
from benchmarks.outcome import judge
from benchmarks.peer import Shape, System, by_role
from benchmarks.processes import Cores, NotStarted
from benchmarks.settings import BenchSettings
from benchmarks.spec import Kind
from benchmarks.store import missing_store
from benchmarks.suite import Suite
from benchmarks.systems import FLOOR
from benchmarks.workloads import WORKLOADS

pytestmark = pytest.mark.timeout(
    600
)  # some start nine processes, and the machine may do other things besides

NOT_PINNED = Cores(None, None, "")
TINY = {"pairs": 1, "seconds": 0.3, "warm_up_s": 0.1, "trace_s": 0, "most_connections": 6}


@pytest.fixture(autouse=True)
def needs_redis() -> None:
    if reason := missing_store():
        pytest.skip(reason)


def tiny(name: str) -> BenchSettings:
    return BenchSettings.model_validate({**TINY, "only": [name]})


@pytest.mark.parametrize(
    "name",
    ["slow-20", "idle-5000", "paced-200", "connect", "storm", "overload-2"],
)
def test_each_kind_of_load_makes_the_trip(name: str) -> None:
    (outcome,) = Suite(tiny(name), NOT_PINNED, chosen([]), lambda line: None).run()
    assert outcome.left_out == {}
    assert set(outcome.runs) == ({"trunkline", "floor"} if WORKLOADS[name].floor else {"trunkline"})
    for runs in outcome.runs.values():
        for run in runs:
            # How busy the machine keeps the generator is no matter of this test.
            assert [fault for fault in run.faults if "generator" not in fault] == []
            assert (run.report.messages > 0) is (WORKLOADS[name].kind is not Kind.IDLE)


def test_a_workload_that_is_compared_with_another_one_takes_turns_with_it() -> None:
    (outcome,) = Suite(tiny("sleep-4"), NOT_PINNED, chosen([]), lambda line: None).run()
    assert outcome.left_out == {}
    (four,), (one,) = outcome.runs["trunkline"], outcome.runs["sleep-1"]
    assert (four.faults, one.faults) == ([], [])
    assert len(by_role(four.report.cpu_us)["worker"]) == 4
    assert len(by_role(one.report.cpu_us)["worker"]) == 1
    assert judge(outcome, outcome.workload.limits[0]) is not None


@contextmanager
def _never(cores: Cores, folder: Path, shape: Shape) -> Iterator[System]:
    raise NotStarted("it does not come up")
    yield


def test_a_system_that_fails_is_left_out_and_the_others_go_on() -> None:
    failing = replace(FLOOR, name="failing", start=_never)
    said: list[str] = []
    (outcome,) = Suite(tiny("echo"), NOT_PINNED, [*chosen([]), failing], said.append).run()
    assert outcome.left_out == {"failing": "it does not come up"}
    assert set(outcome.runs) == {"trunkline", "floor"}
    assert "echo: failing is left out: it does not come up" in said


def test_the_command_writes_its_results_and_a_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "Results.md"
    few = ["--only", "echo", "--peers", "floor", "--pairs", "1", "--seconds", "0.3", "--warm-up-s", "0.1"]
    assert main([*few, "--trace-s", "0", "--most-connections", "5", "--output", str(target)]) == 0
    assert "| echo, saturated, 5 connections |" in target.read_text()
    assert "](results.svg)" in target.read_text()
    assert "<svg" in (tmp_path / "results.svg").read_text()
    assert "| echo, saturated, 5 connections |" in capsys.readouterr().out
