"""Values under the keys that handlers send: one check for each key, all pure, all raising `MessageError`."""

from __future__ import annotations

import re
from typing import Any

from trunkline.protocol.codec import MAX_BODY_BYTES
from trunkline.protocol.errors import MessageError

CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014})
"""Of the codes below 3000 those a server may send. RFC 6455 7.4.1 keeps 1005, 1006 and 1015 off the wire, 1004
is reserved and 1010 is the client's; 1012 to 1014 are from the IANA registry."""
OUTBOUND_POLICIES = ("close", "drop_oldest", "latest_only")
"""As the wire contract names them: the connection is closed, loses its oldest messages, or gets only the newest."""
MAX_REASON_BYTES = 123
"""RFC 6455 5.5: a control frame holds 125 bytes, two of them are the code."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 7230 3.2.6."""
_NO_FIELD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""RFC 7230 3.2: what never stands in a header's value. CR and LF would let a handler split the response."""


def header_pairs(headers: object) -> list[list[str]]:
    """Checks headers: an iterable of (name, value) pairs, or a dict, of str or bytes.

    Raises:
        MessageError: a name is no token, or a value holds a control character and could split the response.
    """
    if isinstance(headers, dict):
        headers = list(headers.items())
    if not isinstance(headers, (list, tuple)):
        raise wrong("headers", headers, "a list of (name, value) pairs")
    return [_header(pair) for pair in headers]


def _header(pair: object) -> list[str]:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise wrong("headers", pair, "pairs of (name, value)")
    name, value = (part.decode("latin-1") if isinstance(part, bytes) else part for part in pair)
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise wrong("headers", name, "a header name of letters, digits and !#$%&'*+-.^_`|~ (RFC 7230 3.2.6)")
    if not isinstance(value, str) or _NO_FIELD_VALUE.search(value):
        raise wrong("headers", value, f"the value of {name!r} as str or bytes without control characters")
    utf8(value, "headers")
    return [name, value]


def frame_data(given: dict[str, Any]) -> str | bytes:
    """The text or the bytes of a frame, as `str` or `bytes`; one of the keys is there."""
    if "text" in given:
        text = given["text"]
        if "bytes" in given:
            raise MessageError("message has both 'text' and 'bytes': a frame is one of them, send two")
        if not isinstance(text, str):
            raise wrong("text", text, "str (bytes go under 'bytes', anything else through json.dumps)")
        bounded(utf8(text, "text"), "text")
        return text
    data = given["bytes"]
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise wrong("bytes", data, "bytes, bytearray or memoryview (str goes under 'text')")
    return bounded(bytes(data), "bytes")


def close_code(close: object) -> int:
    """True for a close without a code, or a close code a server may send."""
    if close is True:
        return True
    if isinstance(close, int) and (close in CLOSE_CODES or 3000 <= close <= 4999):
        return close
    raise wrong(
        "close", close, "True, 1000, 3000 to 4999, or a code below 3000 that RFC 6455 7.4 lets a server send"
    )


def close_reason(reason: object) -> str:
    """The reason beside a close code: a str that fits into a control frame."""
    if not isinstance(reason, str) or len(utf8(reason, "reason")) > MAX_REASON_BYTES:
        raise wrong("reason", reason, f"a str of at most {MAX_REASON_BYTES} bytes as UTF-8")
    return reason


def subprotocol(value: object) -> str:
    """The subprotocol of an accepted handshake: a token."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise wrong("subprotocol", value, "one of message['subprotocols'], a token of RFC 7230 3.2.6")
    return value


def outbound(value: object) -> str:
    """What happens to a client that reads too slowly."""
    if not isinstance(value, str) or value not in OUTBOUND_POLICIES:
        raise wrong("outbound", value, " or ".join(map(repr, OUTBOUND_POLICIES)))
    return value


def status(value: object, least: int) -> int:
    """An HTTP status from ``least`` to 599."""
    if type(value) is not int or not least <= value <= 599:
        raise wrong("status", value, f"an int from {least} to 599")
    return value


def flag(given: dict[str, Any], key: str) -> bool | None:
    """True, False, or None if the key is not there."""
    value = given.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise wrong(key, value, "True or False")


def utf8(text: str, key: str) -> bytes:
    """Encodes text; a lone surrogate is the handler's mistake, not a failure while sending."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise MessageError(
            f"message key {key!r} holds a lone surrogate, which UTF-8 cannot: {shown(text)}"
        ) from None


def bounded(data: bytes, key: str) -> bytes:
    """Passes data on that is at most as long as the codec takes."""
    if len(data) > MAX_BODY_BYTES:
        raise MessageError(f"message key {key!r} has {len(data)} bytes: expected at most {MAX_BODY_BYTES}")
    return data


def wrong(key: str, value: object, expected: str) -> MessageError:
    """The error for a value: names the key, the value, its type and what was expected."""
    return MessageError(
        f"message key {key!r} is {shown(value)} ({type(value).__name__}): expected {expected}"
    )


def shown(value: object) -> str:
    """A value as it stands in an error: its repr, cut at 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
