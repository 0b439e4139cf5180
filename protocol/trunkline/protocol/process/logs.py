"""Log lines: one a record on standard error, and a limit for those that a flood of bad input would repeat.

``2026-01-01T12:00:00.000 INFO worker w1a2 took over entries=3``: time in UTC, so that the lines of several
machines sort together; level; process; message, whose fields callers write as ``key=value``. `json_logs` has the other
form that a line may have.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from ..errors import ConfigError
from .json_logs import JsonFormatter

MAX_KEYS = 1_000
"""Kinds of message a `RateLimited` tells apart."""

_OTHER = "other"
# Line breaks and terminal escapes in what a client sent must not forge a second record.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


class _LineFormatter(logging.Formatter):
    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._second = -1
        self._stamp = ""

    def format(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        message = printable(record.getMessage())
        line = f"{self._stamp}.{int(record.msecs):03d} {record.levelname} {self._name} {message}"
        details = []
        if record.exc_info:
            details.append(self.formatException(record.exc_info))
        if record.stack_info:
            details.append(self.formatStack(record.stack_info))
        # A traceback is for people: it keeps its lines, indented, so that a record still begins where a line
        # does. What an exception says may be a client's words too.
        return "\n    ".join([line, *map(printable, "\n".join(details).splitlines())])


def printable(text: str) -> str:
    """Text of one line without line breaks and terminal escapes: each becomes what Python would write for it. Tabs
    stay."""
    return _CONTROL.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


class _LineHandler(logging.StreamHandler[TextIO]):
    """Ours, so that a second `setup` finds and replaces it and leaves other people's handlers alone."""


def setup(level: str, name: str, form: str = "text", role: str = "") -> None:
    """Sends all logging of this process to standard error. A second call replaces the first.

    Args:
        level: least level that is logged: debug, info, warning or error.
        name: what the process is called in each line: its id, or its role while it has none.
        form: ``text`` or ``json``.
        role: of the process, if that is not its name; only JSON has it.

    Raises:
        ConfigError: there is no such level.
    """
    number = level_number(level)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _LineHandler)]:
        root.removeHandler(handler)
    handler = _LineHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(name, role or name) if form == "json" else _LineFormatter(name))
    root.addHandler(handler)
    root.setLevel(number)


def level_number(level: str) -> int:
    """The number of a level's name, in whatever case.

    Raises:
        ConfigError: there is no such level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ConfigError(f"log level {level!r}: expected debug, info, warning or error")
    return number


class RateLimited:
    """Warnings that say one thing over and over, at a bounded rate.

    Args:
        logger: where they go.
        per_s: warnings a second that each key may have.
        clock: seconds that only rise.
    """

    __slots__ = ("_clock", "_interval_s", "_keys", "_logger")

    def __init__(
        self, logger: logging.Logger, per_s: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._interval_s = 1.0 / per_s
        self._clock = clock
        self._keys: dict[str, _Gate] = {}

    def warning(self, key: str, msg: str, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Logs a warning unless one of this key was logged just now; the next then says how many were not.

        Args:
            key: kind of message: a reason, never a connection or another of an unbounded number of names.
                Beyond `MAX_KEYS` kinds the new ones share a limit.
            msg: as for `logging.Logger.warning`.
            args: as for `logging.Logger.warning`.
            extra: as for `logging.Logger.warning`.
        """
        now = self._clock()
        gate = self._keys.get(key)
        if gate is None:
            gate = self._keys.setdefault(key if len(self._keys) < MAX_KEYS else _OTHER, _Gate())
        if now < gate.opens_s:
            gate.suppressed += 1
            return
        if gate.suppressed:
            msg += " (suppressed since the last such line: %d)"
            args = (*args, gate.suppressed)
        gate.opens_s = now + self._interval_s
        gate.suppressed = 0
        self._logger.warning(msg, *args, stacklevel=2, extra=extra)


class _Gate:
    __slots__ = ("opens_s", "suppressed")

    def __init__(self) -> None:
        self.opens_s = float("-inf")
        self.suppressed = 0
