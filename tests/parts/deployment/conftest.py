"""The programs that judge what is in deploy/ (see deploy/tools.sh)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.commands import ROOT

TOOLS = ROOT / ".tools" / "bin"
MISSING = "no .tools: run deploy/tools.sh (make parts does)"


def need(name: str) -> str:
    """Path of a program out of .tools or PATH; where there is none the test is skipped, and fails in CI."""
    found = shutil.which(name, path=os.pathsep.join([str(TOOLS), os.environ.get("PATH", os.defpath)]))
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name}: {MISSING}", pytrace=False)
        pytest.skip(f"{name}: {MISSING}")
    return found


@pytest.fixture(scope="session")
def hadolint() -> str:
    """Judges Dockerfiles."""
    return need("hadolint")


@pytest.fixture(scope="session")
def compose() -> str:
    """Reads Compose files as ``docker compose`` does."""
    return need("docker-compose")


@pytest.fixture(scope="session")
def helm_python() -> Path:
    """The Python that has Helm as a library."""
    python = TOOLS / "python"
    if not python.exists():
        need("python-of-.tools")
    return python
