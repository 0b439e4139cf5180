"""Which pages may open a WebSocket (RFC 6455 section 10.2). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from .headers import Headers
from .upgrade import Refusal

_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Origins:
    """The origins whose pages may.

    Args:
        allowed: origins besides the server's own host; ``*`` for any.
        required: handshakes without an origin, so from no browser, are refused too.
    """

    __slots__ = ("_allowed", "_any", "_required")

    def __init__(self, allowed: Iterable[str], required: bool) -> None:
        self._allowed = {_normal(origin) for origin in allowed}
        self._any = "*" in self._allowed
        self._required = required

    def refuse(self, headers: Headers) -> Refusal | None:
        """None if this handshake's origin is allowed."""
        origins = headers.getall("Origin", [])
        if not origins:
            text = "this server wants an Origin header"
            return Refusal(403, text, "origin") if self._required else None
        if len(origins) == 1 and (self._any or _normal(origins[0]) in self._allowed):
            return None
        hosts = headers.getall("Host", [])
        if len(origins) == len(hosts) == 1 and _same_host(origins[0], hosts[0]):
            return None
        return Refusal(
            403, "pages of this origin may not open a WebSocket here (--allowed-origins)", "origin"
        )


def _parts(origin: str) -> tuple[str, str, int] | None:
    try:
        url = urlsplit(origin.strip().lower())
        if not url.hostname or url.path or url.query or url.fragment or url.username is not None:
            return None
        return url.scheme, url.hostname, url.port or _DEFAULT_PORTS.get(url.scheme, 0)
    except ValueError:
        return None


def _normal(origin: str) -> str:
    parts = _parts(origin)
    return f"{parts[0]}://{parts[1]}:{parts[2]}" if parts is not None else origin.strip().lower()


def _same_host(origin: str, host: str) -> bool:
    parts = _parts(origin)
    if parts is None:
        return False
    # A Host without a port means the default port of how the page was fetched.
    return _parts(f"{parts[0]}://{host.strip()}") == parts
