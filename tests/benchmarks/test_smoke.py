"""The whole suite once, tiny: whether it works, never how fast."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.processes import Cores
from benchmarks.settings import BenchSettings
from benchmarks.spec import Kind
from benchmarks.suite import Suite
from benchmarks.workloads import WORKLOADS
from trunkline.deploy.redis_server import find_binary
from trunkline.protocol.errors import ConfigError

NOT_PINNED = Cores(None, None, "")


@pytest.fixture(autouse=True)
def needs_redis() -> None:
    try:
        find_binary()
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["session", "fan-out", "idle", "paced-200"])
def test_each_kind_of_load_makes_the_trip_through_a_cluster_and_through_the_floor(name: str) -> None:
    settings = BenchSettings.model_validate(
        {
            "only": [name],
            "pairs": 1,
            "seconds": 0.3,
            "warm_up_s": 0.1,
            "connections": 5,
            "idle_connections": 5,
        }
    )
    (outcome,) = Suite(settings, NOT_PINNED, lambda line: None).run()
    for run in (*outcome.mine, *outcome.floors):
        # How busy the machine keeps the generator is no matter of this test.
        wrong = [fault for fault in run.faults if "generator" not in fault]
        assert wrong == []
        assert run.report.received == run.report.expected
        assert (run.report.messages > 0) is (WORKLOADS[name].kind is not Kind.IDLE)


def test_the_command_writes_its_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "results.md"
    few = ["--only", "echo", "--pairs", "1", "--seconds", "0.3", "--warm-up-s", "0.1", "--connections", "5"]
    assert main([*few, "--output", str(target)]) == 0
    assert "| echo, saturated, 5 connections |" in target.read_text()
    assert "| echo, saturated, 5 connections |" in capsys.readouterr().out


def test_a_workload_that_is_none_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "ecco"])
    assert ended.value.code == 2
    assert "'ecco' is no workload" in capsys.readouterr().err
