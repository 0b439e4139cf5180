"""Waits for servers that say nothing when they are ready, and finds the processes they have started."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final, TypeVar

from benchmarks.processes import START_WITHIN_S, NotStarted, Server

T = TypeVar("T")

_POLL_S: Final = 0.02
_SHOWN_LINES: Final = 20


def until(running: Server, what: str, found: Callable[[], T | None]) -> T:
    """Asks again and again.

    Args:
        running: the server that is waited for.
        what: is waited for, for the error.
        found: gives what was waited for, or something false.

    Raises:
        NotStarted: the server has ended, or it takes too long.
    """
    deadline_s = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline_s and running.process.poll() is None:
        if value := found():
            return value
        time.sleep(_POLL_S)
    tail = "\n".join(running.log.read_text(errors="replace").splitlines()[-_SHOWN_LINES:])
    raise NotStarted(f"{running.log.stem}: no {what} (exit code {running.process.poll()}):\n{tail}")


def answers(running: Server, port: int, path: str) -> None:
    """Waits until a server answers over HTTP, whatever it says.

    Args:
        running: the server.
        port: of it at 127.0.0.1.
        path: that is asked for.

    Raises:
        NotStarted: it does not.
    """

    def asked() -> bool:
        connection = HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", path)
            connection.getresponse().read()
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
        return True

    until(running, f"answer to {path}", asked)


def child(running: Server, title: str) -> int:
    """Waits for a process that a server has started.

    Args:
        running: the server.
        title: what its command line contains.

    Returns:
        Its process id.

    Raises:
        NotStarted: there is none.
    """
    return until(running, f"process {title!r}", lambda: _child(running.pid, title))


def _child(parent: int, title: str) -> int | None:
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if title in command:
            return int(pid)
    return None
