"""What a process says of itself when it takes its lease."""

from __future__ import annotations

import os
import socket
import time
from importlib.metadata import version

from ..messages import LeaseInfo

_STARTED_S = time.time()
"""Start of this process, near enough: both tiers import this module before they do anything."""


def lease_info(
    identity: str, role: str, admin: str, detail: str, code: str = "", track: str = ""
) -> LeaseInfo:
    """Describes this process.

    Args:
        identity: its interface or worker id.
        role: ``interface`` or ``worker``.
        admin: ``host:port`` of its admin server, empty without one.
        detail: what else a person wants to see.
        code: version of the application's code that it runs.
        track: that a worker serves.
    """
    host, pid = socket.gethostname(), os.getpid()
    return LeaseInfo(identity, role, host, pid, admin, version("trunkline"), _STARTED_S, detail, code, track)
