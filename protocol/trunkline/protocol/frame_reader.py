"""The frame reader: entries of one text frame, which most are, for a worker that reads one behind the other. Pure.

It makes no `Entry` of them, and keeps an unpacker: to make either would cost more than to unpack the bytes.
"""

from __future__ import annotations

from typing import Any

from .messages import LAST_SEQ
from .operations import MAX_KEPT_BYTES, new_unpacker
from .values import UNPACK_ERRORS, VERSION_BYTE


class FrameReader:
    """Reads entries of ``websocket.receive``. For one thread.

    An unpacker that met a fault, or was left with something behind an entry, is thrown away: nothing of it may get into
    the next one.
    """

    __slots__ = ("_end", "_feed", "_tell", "_unpack")

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        unpacker: Any = new_unpacker()
        self._feed, self._unpack, self._tell = unpacker.feed, unpacker.unpack, unpacker.tell
        self._end = 0  # of the last entry, in bytes since the unpacker's first

    def read(self, raw: bytes) -> list[Any] | None:
        """Takes an entry apart.

        Returns:
            Reply channel, path, seq and events, of which there is one. None for any other entry, and for what is none:
            `codec.decode_entry` knows which.
        """
        if raw[:1] != VERSION_BYTE or len(raw) > MAX_KEPT_BYTES:
            return None
        try:
            self._feed(raw)
            self._unpack()  # the version is msgpack too: the integer 1
            fields = self._unpack()
            self._end += len(raw)
            if self._tell() != self._end:
                self._begin()
                return None
        except UNPACK_ERRORS:
            self._begin()
            return None
        if type(fields) is list and len(fields) == 4:
            reply, path, seq, events = fields
            if (
                type(reply) is type(path) is str
                and type(seq) is int
                and 0 <= seq <= LAST_SEQ
                and type(events) is list
                and len(events) == 1
                and type(events[0]) is str
            ):
                return fields
        return None
