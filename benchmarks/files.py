"""How many files a process may have open, and so how many connections."""

from __future__ import annotations

import resource
import sys
from typing import Final

RESERVED: Final = 128
"""Descriptors of a process that are no client's."""


def raise_limit() -> None:
    """Takes as many as the machine lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_connections() -> int:
    """Connections that one process may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if hard == resource.RLIM_INFINITY else max(1, hard - RESERVED)
