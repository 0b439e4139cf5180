"""Plays systemd for the processes of a test: holds a listening socket for them, and hears what they say."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.commands import TRUNKLINE
from tests.support.process import Process
from tests.support.waiting import until


def tool(name: str) -> str:
    """Path of one of systemd's tools; without it the test is skipped, in CI it fails."""
    found = shutil.which(name)
    if found is None:
        missing = f"no {name}: apt-get install systemd"
        if os.environ.get("CI") == "true":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return found


# Only the process itself knows its pid, and its first socket is number 3.
_HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Word(NamedTuple):
    """A datagram.

    Attributes:
        text: as it came.
        at_s: when, by the monotonic clock.
    """

    text: str
    at_s: float


class Manager:
    """The manager of one process after the other.

    Args:
        folder: for its socket and the logs.

    Attributes:
        public: the listening socket.
        words: what was said so far.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self._notify.setblocking(False)
        self.public = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.words: list[Word] = []
        self.processes: list[Process] = []

    def start(self, *arguments: str, watchdog_s: float = 0.0) -> Process:
        """Starts ``trunkline`` as a unit with ``Type=notify`` does, an interface server with the socket."""
        name = f"{arguments[0]}-{len(self.processes) + 1}"
        environ = {"NOTIFY_SOCKET": str(self._folder / "notify"), "PYTHONFAULTHANDLER": "1"}
        if watchdog_s:
            environ["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))
        command: Sequence[str] = [*TRUNKLINE, *arguments]
        numbers = []
        if arguments[0] == "interface":
            environ |= {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "public"}
            numbers.append(self.public.fileno())
            command = [sys.executable, "-c", _HAND_OVER, str(numbers[0]), *command]
        self.processes.append(Process(name, command, self._folder / f"{name}.log", environ, numbers))
        return self.processes[-1]

    def listen(self) -> list[Word]:
        """Everything said so far, what has just come with it."""
        while True:
            try:
                text = self._notify.recv(4096).decode()
            except BlockingIOError:
                return self.words
            self.words.append(Word(text, time.monotonic()))

    async def hears(self, text: str, times: int = 1, within_s: float = 90.0) -> list[Word]:
        """Waits until something that begins so was said so often; gives them all."""

        def found() -> list[Word]:
            words = [word for word in self.listen() if word.text.startswith(text)]
            return words if len(words) >= times else []

        return await until(found, within_s, f"{text!r} is said {times} times; said was {self.words}")

    def end(self) -> None:
        """Ends all."""
        for process in self.processes:
            process.kill()
        self.public.close()
        self._notify.close()
