"""The upgrade to a WebSocket as bytes and headers say it: what a client asks for, what opens it (RFC 6455 section 4.2).
Pure; `handshake` answers."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from .headers import TOKEN, Headers

VERSION: Final = "13"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

DEFLATE: Final = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
"""The answer to an offer: no context taken over in either direction, so that an idle connection holds no zlib state and
a group's frame is compressed once for all."""
_WINDOWS = frozenset(map(str, range(8, 16)))
"""Window bits a client may name (RFC 7692 section 7.1.2)."""


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
    if headers.getall("Transfer-Encoding", []) or set(headers.getall("Content-Length", [])) - {"0"}:
        # Whoever stands between would have to agree with us on where the body ends and the frames begin.
        return Refusal(400, "a WebSocket handshake has no body", "malformed")
    subprotocols = [
        item.strip() for value in headers.getall("Sec-WebSocket-Protocol", []) for item in value.split(",")
    ]
    if not all(map(TOKEN.fullmatch, subprotocols)) or len(set(subprotocols)) != len(subprotocols):
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


def accept_value(key: str) -> str:
    """Sec-WebSocket-Accept for a key (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.strip().encode() + _GUID).digest()).decode()


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
