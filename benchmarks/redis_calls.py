"""How often a Redis was called, read from its own counters.

``INFO commandstats`` counts a script and also every command the script calls. A call costs a trip, what happens inside
a script does not; so the commands that a system's scripts call are left out, and the script itself counts once.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from typing import Final

WITHIN_S: Final = 5.0
_LINE: Final = re.compile(r"^cmdstat_([^:|]+)[^:]*:calls=(\d+)", re.MULTILINE)
_SCRIPT_CALL: Final = re.compile(r"\bp?call\(\s*['\"](\w+)['\"]")
_OURS: Final = frozenset({"info", "command", "hello", "client"})
"""Of the one who counts, and of connections that are made."""


class RedisCalls:
    """A connection that asks for the counters, blocking: the answer takes a fraction of a millisecond.

    Args:
        address: path of a Unix socket, or ``host:port``.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, address: str) -> None:
        if address.startswith("/"):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.settimeout(WITHIN_S)
            self._socket.connect(address)
        else:
            host, _, port = address.rpartition(":")
            self._socket = socket.create_connection((host, int(port)), WITHIN_S)

    def info(self) -> str:
        """The counters as Redis writes them.

        Raises:
            OSError: the connection broke.
        """
        self._socket.sendall(b"INFO commandstats\r\n")
        data = self._more(b"")
        while b"\r\n" not in data:
            data = self._more(data)
        head, _, body = data.partition(b"\r\n")
        if not head.startswith(b"$"):
            raise OSError(f"Redis answered INFO with {head!r}, expected a bulk string")
        while len(body) < int(head[1:]) + 2:
            body = self._more(body)
        return body.decode()

    def _more(self, data: bytes) -> bytes:
        got = self._socket.recv(65_536)
        if not got:
            raise OSError("Redis closed the connection")
        return data + got

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()


def calls(info: str, scripted: Collection[str]) -> int:
    """How often Redis was called.

    Args:
        info: text of ``INFO commandstats``.
        scripted: commands that are called by scripts, lower case.
    """
    left_out = _OURS.union(scripted)
    return sum(int(count) for name, count in _LINE.findall(info) if name.lower() not in left_out)


def commands_of(script: str) -> frozenset[str]:
    """The commands that a Lua script calls, lower case."""
    return frozenset(name.lower() for name in _SCRIPT_CALL.findall(script))
