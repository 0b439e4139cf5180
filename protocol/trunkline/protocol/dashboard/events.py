"""Server-sent events as bytes (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import re

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment, which a browser ignores, and proxies take for life."""

_LINE_BREAK = re.compile("\r\n|\r|\n")


def event(name: str, data: str, id: str = "") -> bytes:
    """One event.

    Args:
        name: its type, for ``addEventListener``.
        data: any text; its lines arrive joined by ``\\n``, whatever ended them.
        id: what a browser sends as ``Last-Event-ID`` when it connects again; empty changes nothing of that.

    Raises:
        ValueError: a name or id that would end its line, or an id with NUL, which browsers ignore.
    """
    for field, value in (("event", name), ("id", id)):
        if _LINE_BREAK.search(value) or "\0" in value:
            raise ValueError(f"{field} {value!r}: expected one line without NUL")
    lines = [f"id: {id}"] if id else []
    lines.append(f"event: {name}")
    lines += [f"data: {line}" for line in _LINE_BREAK.split(data)]
    return ("\n".join(lines) + "\n\n").encode("utf-8", "backslashreplace")


def retry(after_s: float) -> bytes:
    """Tells a browser how long to wait, from now on, before it connects again."""
    return f"retry: {round(after_s * 1000)}\n\n".encode()
