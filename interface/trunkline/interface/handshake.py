"""The WebSocket handshake, as far as it needs no socket (RFC 6455 section 4.2). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

VERSION: Final = "13"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}

DEFLATE: Final = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
"""The answer to an offer: no context taken over in either direction, so that an idle connection holds no zlib state and
a group's frame is compressed once for all."""

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


class Refusal(NamedTuple):
    """Why a handshake is refused before anybody is asked.

    Attributes:
        status: of the HTTP answer.
        text: one sentence for its body.
        outcome: label of the metric.
        headers: besides the usual ones.
    """

    status: int
    text: str
    outcome: str
    headers: Mapping[str, str] = {}


class Upgrade(NamedTuple):
    """A handshake that is in order.

    Attributes:
        key: Sec-WebSocket-Key as the client sent it.
        subprotocols: what it offers, in its order.
        deflate: it offers permessage-deflate in a way we can take.
    """

    key: str
    subprotocols: list[str]
    deflate: bool


def wants_websocket(headers: Headers) -> bool:
    """Whether a request asks for a WebSocket, rightly or wrongly made."""
    return "websocket" in _tokens(headers, "Upgrade")


def read_upgrade(method: str, http_version: tuple[int, int], headers: Headers) -> Upgrade | Refusal:
    """Checks a handshake.

    Args:
        method: of the request.
        http_version: of the request.
        headers: of the request.
    """
    if method != "GET" or http_version < (1, 1):
        return Refusal(400, "a WebSocket handshake is a GET of HTTP/1.1", "malformed")
    if "upgrade" not in _tokens(headers, "Connection"):
        return Refusal(400, "a WebSocket handshake needs the header 'Connection: Upgrade'", "malformed")
    version = headers.getall("Sec-WebSocket-Version", [])
    if version != [VERSION]:
        text = f"this server speaks WebSocket version {VERSION}, the handshake asks for {', '.join(version) or 'none'}"
        return Refusal(426, text, "version", {"Sec-WebSocket-Version": VERSION})
    keys = headers.getall("Sec-WebSocket-Key", [])
    if len(keys) != 1 or not _is_key(keys[0]):
        return Refusal(
            400, "a WebSocket handshake needs one Sec-WebSocket-Key of 16 bytes in base64", "malformed"
        )
    subprotocols = [
        item.strip() for value in headers.getall("Sec-WebSocket-Protocol", []) for item in value.split(",")
    ]
    if not all(map(_TOKEN.fullmatch, subprotocols)) or len(set(subprotocols)) != len(subprotocols):
        return Refusal(400, "Sec-WebSocket-Protocol is a list of unlike tokens", "malformed")
    offers = ",".join(headers.getall("Sec-WebSocket-Extensions", []))
    return Upgrade(keys[0], subprotocols, any(map(_can_deflate, offers.split(","))))


def _tokens(headers: Headers, name: str) -> list[str]:
    return [item.strip().lower() for value in headers.getall(name, []) for item in value.split(",")]


def _is_key(value: str) -> bool:
    try:
        return len(base64.b64decode(value.strip(), validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def _can_deflate(offer: str) -> bool:
    """Whether one offer of the client is permessage-deflate with parameters that we can keep (RFC 7692 section 7.1)."""
    name, *parameters = (part.strip() for part in offer.split(";"))
    if name != "permessage-deflate":
        return False
    seen: set[str] = set()
    for parameter in parameters:
        key, _, value = (part.strip() for part in parameter.partition("="))
        value = value.strip('"')
        if key in seen:
            return False
        seen.add(key)
        if key in ("server_no_context_takeover", "client_no_context_takeover") and not value:
            continue
        # Whatever window the client compresses with, ours holds it.
        if key == "client_max_window_bits" and (not value or value in _WINDOWS):
            continue
        # A smaller window of ours would need frames of its own for this client (server_max_window_bits): not offered.
        return False
    return True


_WINDOWS = frozenset(map(str, range(8, 16)))


# ---- origin ----


class Origins:
    """Which pages may open a WebSocket (RFC 6455 section 10.2).

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


# ---- answers ----


def accept_value(key: str) -> str:
    """Sec-WebSocket-Accept for a key (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.strip().encode() + _GUID).digest()).decode()


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
        elif not _TOKEN.fullmatch(pair[0]) or not _VALUE.fullmatch(pair[1]):
            faults.append(f"{pair[0]!r:.80}: a name is a token, a value has no control characters")
        elif pair[0].lower() in owned:
            faults.append(f"{pair[0]!r} is the server's to set")
        else:
            good.append((pair[0], pair[1].strip()))
    return good, faults


def switching(key: str, subprotocol: str | None, deflate: bool, headers: Iterable[tuple[str, str]]) -> bytes:
    """The answer that opens the WebSocket.

    Args:
        key: the client's key.
        subprotocol: one that the client offered, or None.
        deflate: permessage-deflate is agreed on.
        headers: from `clean_headers`.
    """
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_value(key)}",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    if deflate:
        lines.append(f"Sec-WebSocket-Extensions: {DEFLATE}")
    lines.extend(f"{name}: {value}" for name, value in headers)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
