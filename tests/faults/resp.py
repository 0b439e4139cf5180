"""Cuts a stream of RESP bytes into whole requests or replies, without looking further into them than it must.

RESP2 and RESP3 as Redis sends them (https://redis.io/docs/latest/develop/reference/protocol-spec/); a request is an
array of bulk strings, so one splitter serves both directions. The bytes stay as they are: the proxy forwards them.
"""

from __future__ import annotations

_END = b"\r\n"
_LINES = frozenset(b"+-:_#,(")
_BLOBS = frozenset(b"$!=")
_VALUES_PER_ITEM = {ord("*"): 1, ord("~"): 1, ord(">"): 1, ord("%"): 2}
_ATTRIBUTE = ord("|")
_PUSH = ord(">")


class RespError(Exception):
    """The bytes are no RESP, or of a part of it that neither we nor Redis use (inline commands, streamed strings)."""


class Splitter:
    """Takes chunks as they come, gives whole frames. What is left of a frame waits for the next chunk."""

    __slots__ = ("_at", "_buffer", "_missing")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0  # where the next value of the unfinished frame begins
        self._missing = 1  # values until the frame is whole

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are whole with this chunk.

        Raises:
            RespError: see there; nothing more can be told from this stream.
        """
        buffer = self._buffer
        buffer += data
        frames: list[bytes] = []
        start = 0
        at, missing = self._at, self._missing
        while (end := buffer.find(_END, at)) >= 0:
            kind = buffer[at]
            length = 0 if kind in _LINES else _length(buffer, at, end)
            behind = end + len(_END)
            if kind in _BLOBS and length >= 0:
                behind += length + len(_END)
                if behind > len(buffer):
                    break
            missing += _further(kind, length) - 1
            at = behind
            if missing == 0:
                frames.append(bytes(buffer[start:at]))
                start, missing = at, 1
        del buffer[:start]
        self._at, self._missing = at - start, missing
        return frames


def _length(buffer: bytearray, at: int, end: int) -> int:
    """The number behind a type byte; -1 is RESP2's null."""
    try:
        return int(buffer[at + 1 : end])
    except ValueError:
        raise RespError(f"{bytes(buffer[at:end])!r} is not the head of a RESP value") from None


def _further(kind: int, length: int) -> int:
    """How many values a value of this kind adds to those the frame waits for."""
    if kind in _LINES or kind in _BLOBS:
        return 0
    if kind == _ATTRIBUTE:
        return 2 * length + 1  # it stands in front of a value and is none itself
    if kind not in _VALUES_PER_ITEM:
        raise RespError(f"{chr(kind)!r} begins no RESP value")
    return _VALUES_PER_ITEM[kind] * max(length, 0)


def is_push(frame: bytes) -> bool:
    """RESP3's answer to nobody: no request waits for it."""
    return frame[0] == _PUSH


def words(request: bytes, count: int) -> list[bytes]:
    """The first words of a request that `Splitter` gave; fewer if it has fewer.

    Raises:
        RespError: it is no array of bulk strings.
    """
    if not request.startswith(b"*"):
        raise RespError(f"a request is an array of bulk strings, not {request[:40]!r}")
    found: list[bytes] = []
    at = request.index(_END) + len(_END)
    while len(found) < count and at < len(request):
        end = request.index(_END, at)
        if request[at] != ord("$"):
            raise RespError(f"a request is an array of bulk strings, not {request[:40]!r}")
        start = end + len(_END)
        stop = start + int(request[at + 1 : end])
        found.append(request[start:stop])
        at = stop + len(_END)
    return found
