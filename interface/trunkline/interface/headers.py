"""Header fields: a request's as they are read, an application's as they may be sent. Pure."""

from __future__ import annotations

import re
from typing import Any, Final, Protocol

TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110 section 5.6.2."""
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")

UPGRADE_OWNS: Final = frozenset(
    (
        "upgrade",
        "connection",
        "content-length",
        "transfer-encoding",
        "sec-websocket-accept",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "sec-websocket-version",
        "sec-websocket-key",
    )
)
RESPONSE_OWNS: Final = frozenset(
    ("connection", "content-length", "transfer-encoding", "upgrade", "keep-alive", "te", "trailer")
)
"""Header fields that say how a response travels; an application may not set them."""


class Headers(Protocol):
    """Header fields by name, whatever its case."""

    def getall(self, key: str, default: list[str]) -> list[str]:
        """All values of a field."""
        ...


def clean_headers(value: Any, owned: frozenset[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Checks header fields that an application sends.

    Args:
        value: a list of ``[name, value]``.
        owned: names in lower case that it may not set.

    Returns:
        The fields that may be sent, and what is wrong with each of the others.
    """
    if value is None:
        return [], []
    if not isinstance(value, (list, tuple)):
        return [], [f"headers are a {type(value).__name__}, expected a list of [name, value]"]
    good: list[tuple[str, str]] = []
    faults: list[str] = []
    for item in value:
        pair = (
            [part.decode("latin-1") if isinstance(part, bytes) else part for part in item]
            if (isinstance(item, (list, tuple)))
            else []
        )
        if len(pair) != 2 or not isinstance(pair[0], str) or not isinstance(pair[1], str):
            faults.append(f"{item!r:.80} is no [name, value]")
        elif not TOKEN.fullmatch(pair[0]) or not _VALUE.fullmatch(pair[1]):
            faults.append(f"{pair[0]!r:.80}: a name is a token, a value has no control characters")
        elif pair[0].lower() in owned:
            faults.append(f"{pair[0]!r} is the server's to set")
        else:
            good.append((pair[0], pair[1].strip()))
    return good, faults
