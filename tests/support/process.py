"""One process of a test's own, started by hand and ended by its pid."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.commands import ROOT, environment
from tests.support.waiting import until

START_WITHIN_S = 60.0
STOP_WITHIN_S = 40.0


class Process:
    """One process.

    Args:
        name: for messages.
        command: its program and arguments.
        log: gets its standard output and error, behind what is there.
        environ: variables besides this process's.
        descriptors: of this process that it has too, under the same numbers.

    Attributes:
        pid: of the process.
        excused: its end is nothing to complain of, whoever meant it to.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        environ: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**environment(), **(environ or {})},
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.pid = self._process.pid
        self._ended_by_us = False
        self.excused = False

    @property
    def exit_code(self) -> int | None:
        """Its exit code, minus a signal's number if that ended it; None while it runs."""
        return self._process.poll()

    @property
    def vanished(self) -> bool:
        """It ended and no test meant it to."""
        return self.exit_code is not None and not self._ended_by_us and not self.excused

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

    def stop(self) -> None:
        """Ends it whatever state it is in, with its own farewell if there is time; returns when it is gone."""
        self._ended_by_us = True
        # SIGTERM alone would wait for ever where a test has paused it.
        self.resume()
        self.terminate()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def terminate(self) -> None:
        """SIGTERM; `ends` waits for what follows."""
        self.send(signal.SIGTERM)

    async def ends(self, within_s: float = STOP_WITHIN_S) -> int:
        """Waits until it has ended of itself; gives its exit code."""
        self._ended_by_us = True
        await until(lambda: self.exit_code is not None, within_s, f"{self.name} ends")
        assert self.exit_code is not None
        return self.exit_code
