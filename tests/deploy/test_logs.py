"""``trunkline logs``."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from tests.support.commands import command
from trunkline.deploy.logs import ROLES, Follower, last_lines
from trunkline.deploy.settings import LogsSettings
from trunkline.protocol.exit_codes import ExitCode


def test_a_follower_begins_with_the_last_lines_and_goes_on_with_new_ones(tmp_path: Path) -> None:
    file = tmp_path / "worker.log"
    file.write_text("1\n2\n3\n")
    follower = Follower(file, 2)
    assert list(follower.lines()) == ["2\n", "3\n"]
    with file.open("a") as log:
        log.write("4\n")
    assert list(follower.lines()) == ["4\n"]
    assert list(follower.lines()) == []
    follower.close()


def test_a_follower_loses_no_line_when_the_log_is_rotated(tmp_path: Path) -> None:
    file = tmp_path / "worker.log"
    file.write_text("1\n")
    follower = Follower(file, 10)
    assert list(follower.lines()) == ["1\n"]
    with file.open("a") as log:
        log.write("2\n")
    file.rename(tmp_path / "worker.log.1")
    file.write_text("3\n")
    assert list(follower.lines()) == ["2\n", "3\n"]
    follower.close()


def test_a_follower_waits_for_a_log_that_does_not_exist_yet(tmp_path: Path) -> None:
    file = tmp_path / "worker.log"
    follower = Follower(file, 10)
    assert list(follower.lines()) == []
    file.write_text("1\n")
    assert list(follower.lines()) == ["1\n"]
    follower.close()


def test_the_last_lines_of_one_process_are_told_from_others(tmp_path: Path) -> None:
    file = tmp_path / "worker.log"
    file.write_text("[1] a\n[2] b\n[1] c\n[1] d\n")
    assert last_lines(file, 2, "[1]") == ["[1] c\n", "[1] d\n"]
    assert last_lines(tmp_path / "missing.log", 2) == []


def test_without_logs_it_says_who_writes_them(tmp_path: Path) -> None:
    done = command("logs", "--run-dir", tmp_path / ".run")
    assert done.code == ExitCode.NOT_RUNNING
    assert "trunkline up" in done.err


def test_all_logs_are_those_of_every_role() -> None:
    assert {"all", *ROLES} == set(get_args(LogsSettings.model_fields["role"].annotation))
