"""``trunkline`` commands as a user types them, whatever their exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .compiled import COMPILED

ROOT = Path(__file__).parents[2]
TRUNKLINE = [sys.executable, "-m", "trunkline.deploy"]
"""The command, as a process of this environment."""
_TIERS = () if COMPILED else ("protocol", "interface", "worker", "deploy")
PATHS = os.pathsep.join(str(ROOT / tier) for tier in _TIERS) or str(ROOT)
"""PYTHONPATH of such a process."""
LIMIT_S = 100.0


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended.

    Attributes:
        code: its exit code.
        out: standard output.
        err: standard error.
    """

    code: int
    out: str
    err: str

    @property
    def printed(self) -> str:
        """Both."""
        return self.out + self.err


def environment() -> dict[str, str]:
    """This process's environment, less what would configure the cluster: it starts a Redis of its own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "REDIS_URL" and not name.startswith("TRUNKLINE_")
    }
    if another := os.environ.get("TRUNKLINE_TEST_REDIS_SERVER"):
        # A cluster that starts a Redis of its own takes the first on the PATH.
        kept["PATH"] = os.pathsep.join([str(Path(another).parent), kept.get("PATH", "")])
    return kept


def command(
    *arguments: str | Path,
    cwd: Path = ROOT,
    environ: Mapping[str, str] | None = None,
    limit_s: float = LIMIT_S,
) -> Done:
    """Runs ``trunkline`` to its end.

    Args:
        arguments: behind ``trunkline``.
        cwd: where it is typed.
        environ: variables besides the usual ones.
        limit_s: seconds until it is killed and the test fails.
    """
    done = subprocess.run(
        [*TRUNKLINE, *map(str, arguments)],
        cwd=cwd,
        env={**environment(), "PYTHONPATH": PATHS, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def up_of_one(routing: str, folder: Path) -> list[str | Path]:
    """``trunkline up`` with one process of each role, on a free port."""
    numbers = ["--interfaces", "1", "--workers", "1"]
    return ["up", routing, "--port", "0", "--run-dir", folder, *numbers]
