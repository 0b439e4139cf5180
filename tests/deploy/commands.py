"""``trunkline`` commands as a user types them, whatever their exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.cluster import ROOT, environment

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


def command(*arguments: str | Path, cwd: Path = ROOT, environ: Mapping[str, str] | None = None) -> Done:
    """Runs ``trunkline`` to its end.

    Args:
        arguments: behind ``trunkline``.
        cwd: where it is typed.
        environ: variables besides the usual ones.
    """
    paths = os.pathsep.join([str(ROOT / tier) for tier in ("protocol", "interface", "worker", "deploy")])
    done = subprocess.run(
        [sys.executable, "-m", "trunkline.deploy", *map(str, arguments)],
        cwd=cwd,
        env={**environment(), "PYTHONPATH": paths, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
