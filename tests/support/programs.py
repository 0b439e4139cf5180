"""Programs that tests need and that are no part of the environment."""

from __future__ import annotations

import os
import shutil

import pytest


def program(name: str, package: str) -> str:
    """Path of a program on PATH. Without it the test is skipped; under CI it fails.

    Args:
        name: of the program.
        package: Debian's, which has it.
    """
    found = shutil.which(name)
    if found is not None:
        return found
    missing = f"no {name}: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
