"""The machine that gathers: settings of its kernel that a Redis and a listening process on it live with."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MachineFacts:
    """Settings of a kernel; None for what it does not show.

    Attributes:
        host: its name, as leases have it.
        somaxconn: connections that may wait at a listening socket.
        overcommit: ``vm.overcommit_memory``.
        huge_pages: ``always``, ``madvise`` or ``never`` for transparent huge pages.
    """

    host: str = ""
    somaxconn: int | None = None
    overcommit: int | None = None
    huge_pages: str | None = None

    @classmethod
    def read(cls, root: Path = Path("/")) -> MachineFacts:
        """Reads them.

        Args:
            root: where ``proc`` and ``sys`` are.
        """
        return cls(
            socket.gethostname(),
            _number(root / "proc/sys/net/core/somaxconn"),
            _number(root / "proc/sys/vm/overcommit_memory"),
            _chosen(root / "sys/kernel/mm/transparent_hugepage/enabled"),
        )


def _number(file: Path) -> int | None:
    text = _text(file)
    return int(text) if text.isdecimal() else None


def _chosen(file: Path) -> str | None:
    found = re.search(r"\[(\w+)\]", _text(file))
    return found[1] if found is not None else None


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
