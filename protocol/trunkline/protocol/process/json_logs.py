"""Log lines as JSON, one object a line: for programs that collect them.

Keys of every line: ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``role``, ``process``, ``pid``, ``message``. Where
there is such: ``exception`` and ``stack`` (text), ``trace_id`` and ``span_id``; of a line that a handler writes
``channel``, ``route``, ``connection``, ``message_id``; and whatever a line names as ``key=value``, numbers as such.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

FIELDS = "trunkline_fields"
"""Attribute of a record: what is known of the message that a handler works on."""
MAX_MESSAGE = 4_000
MAX_EXCEPTION = 4_000
"""Characters at most. Who carries our lines cuts them at 64 KiB (`trunkline.deploy.log_stream`), a character may become
twelve bytes, and half an object is none."""

trace_ids: Callable[[], tuple[str, str] | None] | None = None
"""Gives trace and span id of what is at work; set where this process traces (`spans`)."""

_PLACEHOLDER = re.compile(r"(?:\b(?P<key>[a-z_]+)=)?%(?:%|[#0 +-]*(?P<star>\*)?[\d.]*(?P<kind>[a-zA-Z]))")
_PLAIN = (str, int, float, bool, type(None))


class JsonFormatter(logging.Formatter):
    """Makes a line of a record.

    Args:
        name: id of the process, or its role.
        role: ``interface``, ``worker``, ….
    """

    def __init__(self, name: str, role: str) -> None:
        super().__init__()
        self._name = name
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": _rfc3339(record.created),
            "level": record.levelname,
            "logger": record.name,
            "role": self._role,
            "process": self._name,
            "pid": os.getpid(),
            "message": _bounded(record.getMessage(), MAX_MESSAGE),
        }
        if record.exc_info:
            line["exception"] = _bounded(self.formatException(record.exc_info), MAX_EXCEPTION)
        if record.stack_info:
            line["stack"] = _bounded(self.formatStack(record.stack_info), MAX_EXCEPTION)
        ids = trace_ids() if trace_ids is not None else None
        if ids is not None:
            line["trace_id"], line["span_id"] = ids
        for fields in (getattr(record, FIELDS, {}), named_fields(record.msg, record.args)):
            for key, value in fields.items():
                line.setdefault(key, value)
        # ASCII alone: what a client sent must not reach a terminal, nor break a line.
        return json.dumps(line)


def named_fields(template: object, args: object) -> dict[str, Any]:
    """What a log line names as ``key=%s``.

    Args:
        template: its text, before anything is filled in.
        args: what is.
    """
    if not isinstance(template, str) or not isinstance(args, tuple):
        return {}
    found = [match for match in _PLACEHOLDER.finditer(template) if match["kind"]]
    if len(found) != len(args) or any(match["star"] for match in found):
        return {}
    return {
        match["key"]: _plain(repr(value) if match["kind"] == "r" else value)
        for match, value in zip(found, args, strict=True)
        if match["key"] and match["key"] not in ("time", "level")
    }


def _plain(value: object) -> Any:
    if isinstance(value, str):
        return _bounded(value, MAX_MESSAGE // 4)
    if type(value) in _PLAIN:
        return value if value == value and value not in (float("inf"), float("-inf")) else str(value)
    return _bounded(str(value), MAX_MESSAGE // 4)


def _bounded(text: str, most: int) -> str:
    """The text; of a long one its begin and, where an exception says what it is, its end."""
    if len(text) <= most:
        return text
    return f"{text[: most // 4]} […] {text[-(most * 3 // 4) :]}"


def _rfc3339(created_s: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created_s))
    return f"{whole}.{int(created_s * 1000) % 1000:03d}Z"


def read_line(line: str) -> Mapping[str, Any] | None:
    """The object of a line; None if it is none of these."""
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("message"), str) else None
