"""``trunkline logs``: the last lines of the cluster's logs, and what comes."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from trunkline.protocol.exit_codes import ExitCode

from .log_lines import pretty
from .rundir import RunDir
from .settings import LogsSettings

ROLES = ("circusd", "redis", "prometheus", "interface", "worker", "canary")
_POLL_S = 0.2


def run(settings: LogsSettings) -> int:
    """Prints the logs. They are there also after `down`, for who wants to know what happened."""
    run_dir = RunDir(settings.run_dir)
    roles = ROLES if settings.role == "all" else (settings.role,)
    files = {role: run_dir.log_file(role) for role in roles}
    if not any(file.exists() for file in files.values()):
        where = ", ".join(str(file) for file in files.values())
        print(f"trunkline logs: no logs yet: {where} are written by 'trunkline up'", file=sys.stderr)
        return ExitCode.NOT_RUNNING
    followers = {role: Follower(file, settings.lines) for role, file in files.items()}
    while True:
        for role, follower in followers.items():
            for line in follower.lines():
                shown = line if settings.raw else pretty(line)
                print(f"{role:10} {shown}", end="", flush=settings.follow)
        if not settings.follow:
            return ExitCode.OK
        time.sleep(_POLL_S)


def last_lines(file: Path, count: int, containing: str = "") -> list[str]:
    """The last lines of a log, if it exists.

    Args:
        file: the log.
        count: how many at most.
        containing: only lines with this text; a pid in brackets begins every line of its process.
    """
    try:
        with open(file, errors="replace") as log:
            return list(deque((line for line in log if containing in line), maxlen=count))
    except FileNotFoundError:
        return []


class Follower:
    """Reads a log as it grows, across rotations.

    Args:
        file: the log; it may not exist yet.
        count: how many of its last lines come first.
    """

    def __init__(self, file: Path, count: int) -> None:
        self._file = file
        self._count = count
        self._open: TextIO | None = None

    def lines(self) -> Iterator[str]:
        """The lines that have come since the last call."""
        if self._open is None:
            if not self._file.exists():
                return
            self._open = self._opened()
            yield from deque(self._open, maxlen=self._count)
        yield from self._open
        if self._rotated(self._open):
            yield from self._open
            self._open.close()
            self._open = self._opened()
            yield from self._open

    def close(self) -> None:
        """Closes the log. Idempotent."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _opened(self) -> TextIO:
        return open(self._file, errors="replace")

    def _rotated(self, log: TextIO) -> bool:
        try:
            return os.stat(self._file).st_ino != os.fstat(log.fileno()).st_ino
        except FileNotFoundError:
            return False
