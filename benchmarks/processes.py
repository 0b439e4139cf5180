"""Server processes: each started on its core, waited for, and stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from .trimmed import SAID

T = TypeVar("T")

ROOT: Final = Path(__file__).parents[1]
START_WITHIN_S: Final = 120.0
"""A server is up within two seconds, on a machine that does other things besides within many."""
STOP_WITHIN_S: Final = 15.0
_POLL_S: Final = 0.02
_SHOWN_LINES: Final = 20


class NotStarted(RuntimeError):
    """A server process did not come up; the text has its last log lines."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core is whose.

    Attributes:
        servers: core of all server processes; None if they are not pinned.
        generator: core of the generator.
        note: why they are not, for the report.
    """

    servers: int | None
    generator: int | None
    note: str = ""

    @classmethod
    def choose(cls) -> Cores:
        """The first two cores this process may use."""
        if not hasattr(os, "sched_setaffinity"):
            return cls(None, None, "Processes were not pinned: this system has no sched_setaffinity.")
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            return cls(None, None, "Processes were not pinned: only one core may be used.")
        try:
            os.sched_setaffinity(0, allowed)
        except OSError as error:
            return cls(None, None, f"Processes were not pinned: {error.strerror}.")
        return cls(allowed[0], allowed[1])


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Child processes started within the block run on this core."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def clean_environment() -> dict[str, str]:
    """The environment without what would change the settings of a server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    return {**kept, "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, slots=True)
class Server:
    """A server process that runs.

    Attributes:
        process: it.
        log: file of its output.
        ready: what matched in the line that said it serves.
    """

    process: subprocess.Popen[bytes]
    log: Path
    ready: re.Match[str]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def trim(self) -> None:
        """Has it give its free heap back; it must run under `benchmarks.trimmed`.

        Raises:
            NotStarted: it did not say that it has.
        """
        self.process.send_signal(signal.SIGUSR1)
        _await_line(self.process, self.log, SAID)


@contextmanager
def server(argv: Sequence[str], log: Path, ready: str, core: int | None) -> Iterator[Server]:
    """A server process for the time of the block.

    Args:
        argv: its command.
        log: file for its output.
        ready: regular expression of the line that says it serves.
        core: where it runs.

    Raises:
        NotStarted: it ended, or did not say so in time.
    """
    with log.open("wb") as output, pinned(core):
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=clean_environment(),
        )
    try:
        yield Server(process, log, _await_line(process, log, ready))
    finally:
        process.terminate()
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            print(f"benchmarks: {argv[0]} did not stop in {STOP_WITHIN_S:g} s, killed", file=sys.stderr)
            process.kill()
            process.wait()


def until(process: subprocess.Popen[bytes], log: Path, what: str, found: Callable[[], T | None]) -> T:
    """Asks again and again for something that a process does as it starts.

    Args:
        process: that is waited for.
        log: file of its output; its last lines are in the error.
        what: is waited for, for the error.
        found: gives what was waited for, or something false.

    Raises:
        NotStarted: the process has ended, or it takes too long.
    """
    deadline_s = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline_s:
        ended = process.poll() is not None  # asked first: what it did in its last moment counts
        if value := found():
            return value
        if ended:
            break
        time.sleep(_POLL_S)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-_SHOWN_LINES:])
    raise NotStarted(f"{log.stem}: no {what} (exit code {process.poll()}):\n{tail}")


def _await_line(process: subprocess.Popen[bytes], log: Path, ready: str) -> re.Match[str]:
    return until(
        process,
        log,
        f"line {ready!r}",
        lambda: re.search(ready, log.read_text(errors="replace")),
    )
