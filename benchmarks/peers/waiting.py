"""Waits for servers that say nothing when they are ready, and finds the processes they have started."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks.processes import Server, until


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

    until(running.process, running.log, f"answer to {path}", asked)


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
    return until(running.process, running.log, f"process {title!r}", lambda: _child(running.pid, title))


def _child(parent: int, title: str) -> int | None:
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if title in command:
            return int(pid)
    return None
