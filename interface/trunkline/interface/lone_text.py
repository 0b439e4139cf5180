"""The short way of `reader` for nine reads of ten: one whole masked text frame of fewer than 126 bytes, alone. Pure."""

from __future__ import annotations

from struct import Struct
from typing import Final

from aiohttp._websocket.helpers import websocket_mask

from .frames import SHORT

HEADER_BYTES: Final = 6
"""Of a short frame, its mask included."""
LONGEST: Final = HEADER_BYTES + SHORT - 1
"""Bytes of a read that may be one short text."""

_WHOLE_MASKED_TEXT: Final = 0x8180
# Two bytes of header, the mask and the payload, by the length of all: taken apart in one call.
_PARTS: Final = [Struct(f"!H4s{max(0, size - HEADER_BYTES)}s").unpack for size in range(LONGEST + 1)]


def lone_text(data: bytes) -> bytearray | None:
    """The text of a read, as UTF-8; None if it is anything else, or no UTF-8: `reader` says what is wrong with it.

    Args:
        data: `HEADER_BYTES` to `LONGEST` bytes.
    """
    size = len(data)
    head, mask, masked = _PARTS[size](data)
    if head != _WHOLE_MASKED_TEXT + size - HEADER_BYTES:
        return None
    text = bytearray(masked)
    websocket_mask(mask, text)
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError:
            return None
    return text
