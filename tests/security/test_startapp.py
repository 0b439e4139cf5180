"""``trunkline startapp`` writes below the current directory and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import command
from trunkline.deploy.settings import StartappSettings
from trunkline.protocol.errors import ConfigError
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.settings import parse


@pytest.mark.parametrize(
    "name",
    [
        "../up",
        "/absolute",
        "a/b",
        "a\\b",
        "..",
        ".",
        "",
        "a.b",
        "~root",
        "$HOME",
        "a b",
        "a;b",
        "-x",
        "名",
        "a\nb",
        "class",
    ],
)
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        parse(StartappSettings, [name], "trunkline startapp")


def test_a_refused_name_writes_nothing(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()

    done = command("startapp", "../up", cwd=inside)

    assert done.code == ExitCode.USAGE
    assert [path.name for path in tmp_path.rglob("*")] == ["inside"]


def test_what_stands_there_is_not_written_over_nor_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "talk").symlink_to(elsewhere)

    done = command("startapp", "talk", cwd=inside)

    assert done.code == ExitCode.USAGE
    assert list(elsewhere.iterdir()) == []
