"""What a verb says when it could not do what was asked."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from trunkline.deploy.cluster import NotReady
from trunkline.deploy.failures import StartFailed, explain, refuse
from trunkline.deploy.rundir import Exit, RunDir
from trunkline.protocol.exit_codes import ExitCode


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    found = RunDir(tmp_path / ".run")
    found.make()
    found.log_file("worker").write_text("[7] of another\n[8] no such database\n")
    found.log_file("interface").write_text("[9] listening\n")
    return found


def failed(exit_code: int | None) -> StartFailed:
    return StartFailed(Exit(time.time(), "worker", 8, exit_code, 0.1, ""))


def test_a_refusal_names_the_verb_in_front_of_every_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert refuse("up", "one\ntwo", ExitCode.ROUTING) == ExitCode.ROUTING
    assert capsys.readouterr().err == "trunkline up: one\ntrunkline up: two\n"


@pytest.mark.parametrize(
    ("code", "told"), [(3, "exit code 3 (ROUTING)"), (-9, "exit code -9"), (None, "exit code None")]
)
def test_a_process_that_ended_is_named_with_what_its_exit_code_means(code: int | None, told: str) -> None:
    assert str(failed(code)) == f"worker [8] ended with {told}"


def test_who_is_to_blame_is_shown_with_its_own_last_lines(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    explain("up", run_dir, failed(1))
    said = capsys.readouterr().err
    assert "[8] no such database" in said
    assert "[7]" not in said and "[9]" not in said


def test_where_nobody_is_to_blame_every_log_is_shown(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    explain("scale", run_dir, NotReady("not ready after 60 s"))
    said = capsys.readouterr().err
    assert said.startswith("trunkline scale: not ready after 60 s\n")
    assert "[7]" in said and "[9]" in said
