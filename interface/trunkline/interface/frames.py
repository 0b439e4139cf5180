"""Frames a server sends, as bytes (RFC 6455 section 5.2), whole and unmasked; and permessage-deflate (RFC 7692).

A message is compressed by a compressor of its own, without context taken over, so the same bytes suit every member of
a group that agreed on the extension, and an idle connection holds no compressor.
"""

from __future__ import annotations

import zlib
from struct import Struct
from typing import Final

TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_FIN: Final = 0x80
_RSV1: Final = 0x40
WHOLE_TEXT: Final = _FIN | TEXT
_WHOLE_BINARY: Final = _FIN | BINARY
_SHORT: Final = Struct("!BB").pack
_MEDIUM: Final = Struct("!BBH").pack
_LONG: Final = Struct("!BBQ").pack
_CODE: Final = Struct("!H").pack

MAX_CONTROL_BYTES: Final = 125
"""Payload of a control frame (RFC 6455 section 5.5)."""

DEFLATE_WINDOW_BITS: Final = 15
_LEVEL: Final = 1  # The fastest: what is sent once is not worth more.
DEFLATE_TAIL: Final = b"\x00\x00\xff\xff"  # RFC 7692 section 7.2.1: what a sync flush ends with is not sent.
_MIN_DEFLATE_BYTES: Final = 64
"""Below this the extension's own overhead eats what it saves."""

NORMAL: Final = 1000
PROTOCOL_ERROR: Final = 1002
NO_STATUS: Final = 1005
ABNORMAL: Final = 1006
INVALID_TEXT: Final = 1007
POLICY_VIOLATION: Final = 1008
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012
TRY_AGAIN_LATER: Final = 1013

SHORT: Final = 126
"""Payloads of fewer bytes have their length in the second byte of their frame."""

PING_FRAME: Final = bytes((_FIN | PING, 0))


def header(first: int, length: int) -> bytes:
    """First bytes of an unmasked frame.

    Args:
        first: its first byte: FIN, the reserved bits and the opcode.
        length: of the payload, in bytes.
    """
    if length < SHORT:
        return _SHORT(first, length)
    if length < 65_536:
        return _MEDIUM(first, 126, length)
    return _LONG(first, 127, length)


TEXT_HEADERS: Final = [header(WHOLE_TEXT, length) for length in range(SHORT)]
"""What stands before a text, by its length in bytes."""


def message(payload: str | bytes) -> bytes:
    """A text frame of a `str`, a binary frame of `bytes`."""
    if isinstance(payload, str):
        data = payload.encode()
        length = len(data)
        return (TEXT_HEADERS[length] if length < SHORT else header(WHOLE_TEXT, length)) + data
    return header(_WHOLE_BINARY, len(payload)) + payload


def deflated(payload: str | bytes) -> bytes:
    """The same, compressed where that is worth it."""
    data, opcode = (payload.encode(), TEXT) if isinstance(payload, str) else (payload, BINARY)
    if len(data) < _MIN_DEFLATE_BYTES:
        return header(_FIN | opcode, len(data)) + data
    squeezer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -DEFLATE_WINDOW_BITS)
    packed = (squeezer.compress(data) + squeezer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(DEFLATE_TAIL)
    return header(_FIN | _RSV1 | opcode, len(packed)) + packed


def pong(payload: bytes) -> bytes:
    """The answer to a ping (RFC 6455 section 5.5.3): the same payload."""
    return header(_FIN | PONG, len(payload)) + payload


def close(code: int, reason: str = "") -> bytes:
    """A close frame. The reason is cut at 123 bytes, between characters. `NO_STATUS` makes one without a code."""
    if code == NO_STATUS:
        return header(_FIN | CLOSE, 0)
    text = reason.encode("utf-8", "replace")[: MAX_CONTROL_BYTES - 2].decode("utf-8", "ignore").encode()
    return header(_FIN | CLOSE, len(text) + 2) + _CODE(code) + text


def may_be_sent(code: object) -> bool:
    """Whether a close code may stand in a close frame (RFC 6455 section 7.4 and the IANA registry): 1000 to 1014 but
    1004 to 1006, and 3000 to 4999."""
    return type(code) is int and (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999)


class Framed:
    """A text or binary frame on its way to several sockets: each form is encoded once, when the first wants it."""

    __slots__ = ("_deflated", "_payload", "_plain")

    def __init__(self, payload: str | bytes) -> None:
        self._payload = payload
        self._plain: bytes | None = None
        self._deflated: bytes | None = None

    def plain(self) -> bytes:
        """As an uncompressed frame."""
        if self._plain is None:
            self._plain = message(self._payload)
        return self._plain

    def deflated(self) -> bytes:
        """For those that agreed on permessage-deflate."""
        if self._deflated is None:
            self._deflated = deflated(self._payload)
        return self._deflated
