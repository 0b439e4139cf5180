"""Entries of one short text, from its bytes: what `codec.encode_entry` makes of it, for a fifth of the cost. Pure.

Of a connection's entries reply channel and path are the same each time, so they are packed once; numbers and lengths
are looked up. The text is never made a `str`: it comes as UTF-8 and leaves as that.
"""

from __future__ import annotations

from typing import Final

from .values import VERSION_BYTE, pack

SHORT: Final = 126
"""Texts of fewer bytes are short: a WebSocket frame says their length in one byte (RFC 6455 section 5.2)."""
KEPT: Final = 1024
"""Numbers below are kept packed; few connections send more messages."""

_FOUR_FIELDS: Final = b"\x94"
NUMBERS: Final = [pack(number, {}) for number in range(KEPT)]
"""What they are packed."""
HEADS: Final = [pack(["x" * length], {})[: -length or None] for length in range(SHORT)]
"""By the length of a text what stands before it when it is the one item of an array."""


def entry_start(reply: str, path: str) -> bytes:
    """The begin of every entry of a connection.

    Raises:
        MessageError: msgpack cannot hold these.
    """
    return VERSION_BYTE + _FOUR_FIELDS + pack(reply, {"reply": reply}) + pack(path, {"path": path})


def text_entry(start: bytes, seq: int, text: bytes | bytearray) -> bytes:
    """An entry of `names.RECEIVE`.

    Args:
        start: its begin, see `entry_start`.
        seq: number of the text.
        text: UTF-8 of fewer than `SHORT` bytes.
    """
    number = NUMBERS[seq] if seq < KEPT else pack(seq, {})
    return b"".join((start, number, HEADS[len(text)], text))
