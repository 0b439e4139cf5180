"""The shipped units as systemd itself reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.parts.systemd.manager import tool
from tests.support.commands import ROOT

pytestmark = pytest.mark.parts
FOLDER = ROOT / "deploy" / "systemd"
SERVICES = ["trunkline-interface@1.service", "trunkline-worker@1.service"]
EXPOSURE = 15
"""Tenths: what `systemd-analyze security` finds exposed of a service, from 0 to 100."""


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A folder with the units; their program is this environment's, because it has to be there."""
    for unit in FOLDER.glob("trunkline*.*"):
        if unit.suffix != ".example":
            (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/trunkline/", f"{ROOT}/"))
    return tmp_path


def analyze(units: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("systemd-analyze"), "--no-pager", *arguments],
        cwd=units,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{units}:"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_systemd_finds_nothing_wrong_with_any_unit(units: Path) -> None:
    names = [f"./{path.name}" for path in units.iterdir() if "@" not in path.name]
    assert len(names) == 4
    done = analyze(units, "verify", "--recursive-errors=yes", *names, *(f"./{name}" for name in SERVICES))
    assert (done.returncode, done.stderr) == (0, "")


def test_it_would_tell_of_a_setting_that_it_does_not_know(units: Path) -> None:
    unit = units / "trunkline-worker@.service"
    unit.write_text(unit.read_text().replace("RestartSec=", "RestartSecs="))
    done = analyze(units, "verify", f"./{SERVICES[1]}")
    assert "RestartSecs" in done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_exposes_little(units: Path, service: str) -> None:
    done = analyze(units, "security", "--offline=yes", f"--threshold={EXPOSURE}", f"./{service}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level" in done.stdout
