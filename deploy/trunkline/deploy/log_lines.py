"""Lines of the cluster's logs for people: those in JSON look as those in text do. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trunkline.protocol.process.json_logs import read_line
from trunkline.protocol.process.logs import printable

_PREFIX = re.compile(r"\[\d+\] ")
_TOLD = frozenset(("time", "level", "logger", "role", "process", "pid", "message", "exception", "stack"))
"""Keys that stand in the line itself, or say what its file and its prefix say."""


def pretty(line: str) -> str:
    """A line as it shall be shown, with its end.

    Args:
        line: as it stands in a log, with the pid in brackets that circus' stream puts before it.
    """
    found = _PREFIX.match(line)
    prefix = found[0] if found is not None else ""
    fields = read_line(line.removeprefix(prefix))
    return line if fields is None else f"{prefix}{_text(fields)}\n"


def _text(fields: Mapping[str, Any]) -> str:
    stamp = str(fields.get("time", "-")).removesuffix("Z")
    message = printable(fields["message"])
    # A handler's line has what is known of its message beside it; a line that names it has that in its text.
    more = [
        f"{key}={printable(str(value))}"
        for key, value in fields.items()
        if key not in _TOLD and f"{key}={value}" not in message
    ]
    first = " ".join([stamp, str(fields.get("level", "-")), str(fields.get("process", "-")), message, *more])
    details = [str(fields[key]) for key in ("exception", "stack") if key in fields]
    return "\n    ".join([first, *map(printable, "\n".join(details).splitlines())])
