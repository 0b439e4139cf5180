"""``trunkline scale`` where nobody could do what it asks; how it scales is met in test_running."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.states import a_state
from trunkline.deploy import scale, supervisor
from trunkline.deploy.rundir import RunDir
from trunkline.deploy.settings import ScaleSettings
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.settings import parse


@pytest.fixture
def orphaned(tmp_path: Path) -> Iterator[RunDir]:
    """A cluster of which a process is left, and no supervisor."""
    run_dir = RunDir(tmp_path / ".run")
    run_dir.make()
    state = a_state()
    run_dir.save(state)
    process = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        env={**os.environ, supervisor.MARK: state.cluster},
    )
    yield run_dir
    process.communicate(b"\n")


def test_a_cluster_whose_supervisor_was_killed_is_told_what_to_do(
    orphaned: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    code = scale.run(
        parse(ScaleSettings, ["--workers", "3", "--run-dir", str(orphaned.path)], "trunkline scale")
    )

    assert code == ExitCode.NOT_RUNNING
    (line,) = capsys.readouterr().err.splitlines()
    assert "was killed" in line
    assert "'trunkline up'" in line
    state = orphaned.load()
    assert state is not None
    assert state.workers == a_state().workers
