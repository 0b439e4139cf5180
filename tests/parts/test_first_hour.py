"""docs/first-hour.md, typed as it stands there: each block of commands in its order, on real processes."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import ROOT, command
from tests.support.programs import program

pytestmark = [pytest.mark.parts, pytest.mark.timeout(900)]

PAGE = (ROOT / "docs" / "first-hour.md").read_text()
LIMIT_S = 300.0
NEEDED = ("Makefile", ".venv", "deploy", "examples", "requirements.lock", "pyproject.toml")
"""What a clone has and the page needs."""
MAY_COMPLAIN = "make doctor"
"""A machine on which tests run is busy, of which it complains with its exit code."""


def blocks() -> list[list[str]]:
    """The commands of each block that is to be typed where the one before was."""
    found = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [[line.removeprefix("$ ") for line in block.splitlines()] for block in found]


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A directory that looks like a clone."""
    folder = tmp_path / "trunkline"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(ROOT / name)
    yield folder
    command("down", cwd=folder)


def typed(line: str, folder: Path, port: int) -> str:
    """What a line prints, typed after the environment was entered; a port that somebody may have is another one."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TRUNKLINE_", "MAKE", "REDIS_"))
    }
    environ |= {"PATH": f"{folder}/.venv/bin:{environ['PATH']}", "TRUNKLINE_PORT": str(port)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line.replace(":8000/", f":{port}/")],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0 or line == MAY_COMPLAIN, f"$ {line}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def port_of(folder: Path) -> int:
    """The port of the cluster that runs, 0 for any free one if none does."""
    found = re.search(r"at 127\.0\.0\.1:(\d+)", command("status", cwd=folder).out)
    return int(found[1]) if found else 0


def test_everything_on_the_page_can_be_typed_as_it_stands(clone: Path) -> None:
    program("prometheus", "prometheus")
    said: dict[str, str] = {}
    for block in blocks():
        for line in block:
            said[line] = typed(line, clone, port_of(clone))

    assert "3 interface servers, 4 workers" in said["make scale WORKERS=4 INTERFACES=3"]
    ends = re.findall(
        r"(worker|interface|redis) \[\d+\] ended with -?\d+: started again", said["make status"]
    )
    assert sorted(set(ends)) == ["interface", "redis", "worker"]
    assert "1 passed" in said["python -m pytest talk"]
    assert "put back: 1 of 1" in said["trunkline dead redrive --all"]
    assert "dead letters kept: 0" in said["trunkline dead list"]
    assert "v2" in said["trunkline deploy status --interval-s 5"]
