"""Listening sockets that a service manager holds for a process, over all its restarts (sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from contextlib import ExitStack
from typing import Final

from ..errors import ConfigError

FIRST: Final = 3
"""Number of the first descriptor; the others follow it."""
VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def inherited_sockets(
    environ: MutableMapping[str, str], pid: int | None = None, first: int = FIRST
) -> list[socket.socket]:
    """Takes the sockets that were handed to this process, and the variables that tell of them out of the environment:
    a program that this one starts must not take them for its own.

    Args:
        environ: the process's environment.
        pid: of this process; None asks for it. Variables that are for another process count as none.
        first: number of the first descriptor.

    Returns:
        The sockets; none if there are none for this process.

    Raises:
        ConfigError: one of them is no listening stream socket, or there is no such number of them.
    """
    said_pid, said_count, said_names = (environ.pop(name, "") for name in VARIABLES)
    if not said_count or said_pid != str(os.getpid() if pid is None else pid):
        return []
    if not said_count.isascii() or not said_count.isdecimal():
        raise ConfigError(f"LISTEN_FDS={said_count!r}: expected how many sockets are handed over")
    names = said_names.split(":") if said_names else []
    with ExitStack() as taken:
        sockets = [
            taken.enter_context(_take(first + place, names[place] if place < len(names) else ""))
            for place in range(int(said_count))
        ]
        taken.pop_all()
    return sockets


def _take(number: int, name: str) -> socket.socket:
    what = f"LISTEN_FDS: descriptor {number}" + (f" ({name})" if name else "")
    expected = "expected a listening stream socket, that is ListenStream= and Accept=no in the .socket unit"
    try:
        taken = socket.socket(fileno=number)
    except OSError as error:
        raise ConfigError(f"{what}: {error.strerror}; {expected}") from error
    if taken.type != socket.SOCK_STREAM or not taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        taken.close()
        raise ConfigError(f"{what} does not listen; {expected}")
    taken.setblocking(False)
    taken.set_inheritable(False)
    return taken
