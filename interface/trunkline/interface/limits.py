"""How many connections there may be; what happens to one too many is `door`'s."""

from __future__ import annotations

import resource
from typing import Final

RESERVED_FILES: Final = 96
"""Descriptors for what is no client: Redis, admin server, log, static files, those being turned away."""

MAX_FILES: Final = 1_048_576
"""More is not asked for where the hard limit is infinite; Linux allows this many by default (fs.nr_open)."""


class Sockets:
    """How many connections are open.

    Attributes:
        count: open WebSockets, whatever tenure they are of.
        guests: connections that are still aiohttp's: before or without an upgrade.
        farewells: connections being turned away.
    """

    __slots__ = ("count", "farewells", "guests")

    def __init__(self) -> None:
        self.count = 0
        self.guests = 0
        self.farewells = 0


def raise_file_limit() -> int:
    """Raises the soft limit of file descriptors to the hard one where that is possible; gives the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MAX_FILES if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        # Some systems forbid what getrlimit offers (macOS: OPEN_MAX); the soft limit holds then.
        return soft
    return wanted


def connection_limit(wanted: int, files: int) -> int:
    """How many connections may be open.

    Args:
        wanted: what the settings say; 0 for as many as the descriptors allow.
        files: limit of file descriptors.
    """
    possible = max(1, files - RESERVED_FILES)
    return min(wanted, possible) if wanted else possible
