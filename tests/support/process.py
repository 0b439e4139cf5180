"""One process of a test's own, started by hand and ended by its pid; and the Redis among them."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
import redis

from tests.support import redis_server
from tests.support.cluster import ROOT, environment
from tests.support.waiting import until

START_WITHIN_S = 30.0
STOP_WITHIN_S = 40.0
_POLL_S = 0.02


class Process:
    """One process.

    Args:
        name: for messages.
        command: its program and arguments.
        log: gets its standard output and error, behind what is there.

    Attributes:
        pid: of the process.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.pid = self._process.pid
        self._ended_by_us = False

    @property
    def exit_code(self) -> int | None:
        """Its exit code, minus a signal's number if that ended it; None while it runs."""
        return self._process.poll()

    @property
    def vanished(self) -> bool:
        """It ended and no test meant it to."""
        return self.exit_code is not None and not self._ended_by_us

    def text(self) -> str:
        """All it has logged."""
        return self.log.read_text(errors="replace")

    async def says(self, pattern: str, within_s: float = 10.0) -> re.Match[str]:
        """Waits for a line in its log; fails at once if the process ends without it."""

        def found() -> re.Match[str] | bool | None:
            ended = self.exit_code is not None
            return re.search(pattern, self.text()) or ended

        match = await until(found, within_s, f"{self.name} says {pattern!r}")
        assert isinstance(match, re.Match), f"{self.name} ended with {self.exit_code}:\n{self.text()}"
        return match

    def send(self, number: signal.Signals) -> None:
        """Sends a signal."""
        self._process.send_signal(number)

    def pause(self) -> None:
        """SIGSTOP: it does nothing, and cannot know."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self._ended_by_us = True
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        """SIGTERM; `ends` waits for what follows."""
        self.send(signal.SIGTERM)

    async def ends(self, within_s: float = STOP_WITHIN_S) -> int:
        """Waits until it has ended of itself; gives its exit code."""
        self._ended_by_us = True
        await until(lambda: self.exit_code is not None, within_s, f"{self.name} ends")
        assert self.exit_code is not None
        return self.exit_code


class Redis:
    """A Redis of the test's own, that may be stopped, killed and started again on its data.

    Args:
        folder: for its socket and files; short, because a Unix socket's path is.
        appendonly: write everything down (``appendfsync everysec``).
    """

    def __init__(self, folder: Path, *, appendonly: bool) -> None:
        binary = redis_server.find_binary()
        if binary is None:
            pytest.skip(redis_server.MISSING)
        self.folder = folder
        socket = folder / "s"
        self.url = f"unix://{socket}"
        flags = {
            "port": "0",
            "unixsocket": str(socket),
            "dir": str(folder),
            "save": "",
            "appendonly": "yes" if appendonly else "no",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        self._command = [
            binary,
            *(word for name, value in flags.items() for word in (f"--{name}", value)),
        ]
        self.process = self._start()

    def _start(self) -> Process:
        return Process("redis", self._command, self.folder / "redis.log")

    @property
    def appendonly_file(self) -> Path:
        """Where it writes everything down (Redis 6.2; later ones have a folder)."""
        return self.folder / "appendonly.aof"

    def restart(self) -> None:
        """Starts it again on its data, after a kill; returns when it answers."""
        self.process = self._start()
        self.wait_until_it_answers()

    def wait_until_it_answers(self) -> None:
        """Blocks until it does: without it no test can go on.

        Raises:
            AssertionError: it does not in time; the text has its log.
        """
        deadline_s = time.monotonic() + START_WITHIN_S
        with closing(redis.Redis.from_url(self.url)) as client:
            while self.process.exit_code is None and time.monotonic() < deadline_s:
                try:
                    if client.ping():
                        return
                except redis.RedisError:
                    time.sleep(_POLL_S)
        raise AssertionError(f"redis-server does not answer:\n{self.process.text()}")
