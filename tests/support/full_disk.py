"""A disk that is full, for one process: a limit of the size of what it writes."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path

# Python's children get SIGXFSZ as it was at the start of everything; ignored, a write over the limit fails with EFBIG.
_IGNORING_XFSZ = ("sh", "-c", 'trap "" XFSZ; exec "$@"', "sh")


def survived(command: Sequence[str]) -> list[str]:
    """A command whose process survives it."""
    return [*_IGNORING_XFSZ, *command]


def fill(pid: int, file: Path) -> None:
    """From now on a process writes no file beyond the size of this one."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (file.stat().st_size, hard))


def free(pid: int) -> None:
    """It can again."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
