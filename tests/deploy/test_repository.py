"""The tooling a newcomer meets first."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.support.commands import ROOT, environment

VERBS = [
    "help",
    "install",
    "up",
    "scale",
    "doctor",
    "top",
    "status",
    "logs",
    "down",
    "worker",
    "test",
    "topologies",
    "lint",
    "browser",
    "crash",
    "compiled",
    "overload",
    "parts",
    "faults",
    "soak",
    "fuzz",
    "model",
    "instructions",
    "bench",
    "clean",
    "lock",
]
SCREEN_LINES = 70


def test_make_alone_prints_every_verb() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True)
    assert sorted(re.findall(r"^  make (\w+) ", done.stdout, re.MULTILINE)) == sorted(VERBS)


def test_every_suite_that_make_test_leaves_out_has_a_verb_of_its_own() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    markers = {line.partition(":")[0] for line in pyproject["tool"]["pytest"]["ini_options"]["markers"]}
    recipes = re.findall(r"^(\w+):.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    left_out = re.findall(r"not (\w+)", dict(recipes)["test"])

    assert set(left_out) == markers
    for marker in markers:
        assert re.search(rf"pytest.* (-m {marker}|tests/{marker})\b", dict(recipes)[marker]), marker


def test_the_makefile_fits_one_screen() -> None:
    assert len((ROOT / "Makefile").read_text().splitlines()) <= SCREEN_LINES


def test_make_hands_its_variables_to_the_command_and_hides_the_password() -> None:
    variables = ["ROUTING=a.b", "PORT=1234", "INTERFACES=3", "WORKERS=4", "REDIS_URL=redis://:secret@host"]
    done = subprocess.run(
        ["make", "-n", "up", *variables], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True
    )
    words = " ".join(done.stdout.replace("\\\n", " ").split())
    assert "trunkline up --port '1234' --interfaces '3' --workers '4' 'a.b'" in words
    assert "secret" not in words
    assert "TRUNKLINE_PROMETHEUS" not in words


def test_make_hands_on_whether_prometheus_is_wanted() -> None:
    done = subprocess.run(
        ["make", "-n", "up", "PROMETHEUS=1"], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True
    )
    assert "TRUNKLINE_PROMETHEUS='1' .venv/bin/trunkline up" in done.stdout


def test_the_lock_names_no_registry_and_pins_everything_with_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "--index-url" not in text
    packages = re.findall(r"^([a-z0-9][\w.\-]*)(.*?)(?=^[a-z0-9]|\Z)", text, re.MULTILINE | re.DOTALL)
    assert len(packages) > 40
    for name, rest in packages:
        assert re.match(r"(\[.*\])?==", rest), name
        assert "--hash=sha256:" in rest, name


@pytest.mark.parametrize("script", [".ci/run", "deploy/install.sh", "deploy/lock.sh", "deploy/tools.sh"])
def test_scripts_can_be_run_and_are_well_formed(script: str) -> None:
    path = ROOT / script
    assert path.stat().st_mode & stat.S_IXUSR
    shell = "bash" if "bash" in path.read_text().splitlines()[0] else "sh"
    subprocess.run([shell, "-n", str(path)], timeout=10, check=True)


def install(folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs a copy of the installer in a folder without a project: it must complain before it makes anything."""
    script = folder / "deploy" / "install.sh"
    script.parent.mkdir()
    script.write_text((ROOT / "deploy" / "install.sh").read_text())
    script.chmod(0o755)
    return subprocess.run(
        [script], env={**environment(), **environ}, capture_output=True, text=True, timeout=30, check=False
    )


def a_python(folder: Path, text: str) -> Path:
    file = folder / "bin" / "python3"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def test_a_python_that_is_too_old_is_refused_with_what_to_do(tmp_path: Path) -> None:
    old = a_python(tmp_path, 'case "$2" in *exit*) exit 1;; *print*) echo 3.9.2;; esac')
    done = install(tmp_path, PYTHON=str(old))
    assert done.returncode == 1
    assert "3.9.2" in done.stderr
    assert "make install PYTHON=" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_python_without_venv_is_refused_with_the_command_to_run(tmp_path: Path) -> None:
    bare = a_python(tmp_path, 'case "$2" in *ensurepip*) exit 1;; *print*) echo 3.11.2;; esac')
    done = install(tmp_path, PYTHON=str(bare), PATH=f"/usr/bin{os.pathsep}/bin")
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()
