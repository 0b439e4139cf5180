"""What a process tells the service manager that started it: ready, alive, stopping (sd_notify(3), ``Type=notify``)."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import MutableMapping
from typing import Final

from .logs import RateLimited

_warnings = RateLimited(logging.getLogger(__name__))

STOP_MARGIN_S: Final = 10.0
"""What a stop is given beyond the drain, for the lease to be given up and Python to end."""


class Notifier:
    """Tells; without an address nobody is there to hear, and nothing is done.

    Args:
        address: a path, or with ``@`` in front an abstract name, of the manager's datagram socket.
        watchdog_s: seconds after which the manager takes a process that says nothing for dead; 0 for never.
    """

    __slots__ = ("_address", "_pings", "_timer")

    def __init__(self, address: str = "", watchdog_s: float = 0.0) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        # Half of it, as sd_watchdog_enabled(3) has it.
        self._pings = watchdog_s / 2 if address else 0.0
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str], pid: int | None = None) -> Notifier:
        """The one whom the environment names; takes the variables out of it, since they are for this process alone.

        Args:
            environ: the process's environment.
            pid: of this process; None asks for it.
        """
        address = environ.pop("NOTIFY_SOCKET", "")
        limit = environ.pop("WATCHDOG_USEC", "")
        whose = environ.pop("WATCHDOG_PID", "")
        ours = not whose or whose == str(os.getpid() if pid is None else pid)
        watchdog_s = int(limit) / 1e6 if ours and limit.isascii() and limit.isdecimal() else 0.0
        return cls(address, watchdog_s)

    def ready(self, status: str) -> None:
        """It serves. From now on the event loop says at even times that it is alive: one that hangs does not.

        Args:
            status: one line for people.
        """
        self._say("READY=1", f"STATUS={status}")
        self._ping()

    def stopping(self, drain_s: float) -> None:
        """Its drain begins. It goes on to say that it is alive.

        Args:
            drain_s: seconds that may take; the manager kills no earlier, whatever its own limit.
        """
        within_us = int((drain_s + STOP_MARGIN_S) * 1e6)
        self._say("STOPPING=1", "STATUS=draining", f"EXTEND_TIMEOUT_USEC={within_us}")

    def close(self) -> None:
        """Says nothing any more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._address = ""

    def _ping(self) -> None:
        if self._pings:
            self._say("WATCHDOG=1")
            self._timer = asyncio.get_running_loop().call_later(self._pings, self._ping)

    def _say(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                # Not to wait: a manager that does not read must not hold up the event loop. Its queue is long.
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            where = self._address.replace("\0", "@")
            _warnings.warning(
                "notify", "cannot tell the service manager %s at %s: %s", lines[0], where, error
            )
