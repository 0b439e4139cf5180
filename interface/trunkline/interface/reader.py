"""Frames a client sends, from bytes to messages (RFC 6455 section 5): no socket, bytes in, messages out.

aiohttp has a reader too, but it lets unmasked frames and some close codes pass that the RFC wants refused, and it hands
each message to a queue for a task. This one takes the common case, one small masked frame in one read, in a few steps
and is quicker there than aiohttp's compiled one.
"""

from __future__ import annotations

import zlib
from struct import Struct
from typing import Final, NamedTuple

from aiohttp._websocket.helpers import websocket_mask

from .frames import (
    BINARY,
    CLOSE,
    DEFLATE_TAIL,
    DEFLATE_WINDOW_BITS,
    INVALID_TEXT,
    MAX_CONTROL_BYTES,
    NO_STATUS,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    WHOLE_TEXT,
    may_be_sent,
)
from .lone_text import HEADER_BYTES, LONGEST, lone_text

_CONTINUATION: Final = 0
_MASKED: Final = 0x80
_MEDIUM: Final = Struct("!H").unpack_from
_LONG: Final = Struct("!Q").unpack_from

_OPCODES: Final = frozenset((_CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))

MAX_FRAGMENTS: Final = 1024
"""Frames of one message at most: empty ones cost memory and never reach the size limit."""

TURN_FRAMES: Final = 128
"""Frames of one read that are looked at before other connections have their turn, about 0.2 ms: one read may bring
forty thousand pings. More messages than that do not wait in a queue of the default size anyway."""


class FrameError(Exception):
    """The client breaks the protocol or a limit; the connection must be failed.

    Attributes:
        code: close code to fail it with.
    """

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        super().__init__(text)


class Ping(NamedTuple):
    """A ping; answer it with the same payload."""

    payload: bytes


class Pong(NamedTuple):
    """A pong, asked for or not."""

    payload: bytes


class Close(NamedTuple):
    """The client's close frame.

    Attributes:
        code: 1005 if it gave none.
        reason: its text.
    """

    code: int
    reason: str


Message = str | bytes | Ping | Pong | Close


class FrameReader:
    """Takes what is read of a socket and gives the messages in it, one at a time.

    Args:
        max_message_bytes: a message at most, over all its frames and after decompression.
        deflate: permessage-deflate was agreed on, without context taken over.

    Attributes:
        lone_limit_bytes: a read of at most so many may be one short text alone; 0 within a message of several frames.
        rest: empty when everything that was fed is looked at.
        size: bytes of the message that `next` gave last, as they were on the wire after unmasking and inflation.
        pieces: frames of the last message that came in several; set it to 0 once they are counted.
        spent: frames looked at; set it to 0 for another turn. A short frame that was read alone does not count.
    """

    __slots__ = (
        "_collected",
        "_deflate",
        "_fragments",
        "_max_bytes",
        "_opcode",
        "_position",
        "_squeezed",
        "_whole_limit_bytes",
        "lone_limit_bytes",
        "pieces",
        "rest",
        "size",
        "spent",
    )

    def __init__(self, max_message_bytes: int, deflate: bool = False) -> None:
        self._max_bytes = max_message_bytes
        self._deflate = deflate
        self._whole_limit_bytes = min(LONGEST, HEADER_BYTES + max_message_bytes)
        self.lone_limit_bytes = self._whole_limit_bytes
        self.rest: bytes | bytearray = b""
        self._position = 0
        self._opcode = _CONTINUATION
        self._squeezed = False
        self._fragments: list[bytes] | None = None
        self._collected = 0
        self.size = 0
        self.pieces = 0
        self.spent = 0

    def feed(self, data: bytes) -> None:
        """Takes what was read. Call `next` until it gives None, or leave the rest for later."""
        if not self.rest:
            self.rest = data
        else:
            # A bytearray grows in place, so a large message in many small reads is copied once.
            if type(self.rest) is not bytearray:
                self.rest = bytearray(self.rest)
            del self.rest[: self._position]
            self.rest += data
            self._position = 0

    def next(self) -> Message | None:
        """The next message, or None if more must be read first, or `TURN_FRAMES` are spent.

        Raises:
            FrameError: the client breaks the protocol; nothing more can be read.
        """
        buffer = self.rest
        if not buffer:
            return None
        size = len(buffer)
        if (
            buffer[0] == WHOLE_TEXT
            and HEADER_BYTES <= size <= self.lone_limit_bytes
            and type(buffer) is bytes
            and not self._position
        ):
            text = lone_text(buffer)
            if text is not None:
                self.rest = b""
                self.size = len(text)
                return text.decode()
        while self.spent < TURN_FRAMES:
            frame = self._frame()
            if frame is None:
                return None
            self.spent += 1
            found = self._assemble(*frame)
            if found is not None:
                return found
        return None

    def _frame(self) -> tuple[int, bytearray] | None:
        """One frame as its first byte and unmasked payload, or None if it is not all there."""
        buffer, start = self.rest, self._position
        there = len(buffer) - start
        if there < 2:
            return None
        first, second = buffer[start], buffer[start + 1]
        self._check_first(first)
        if not second & _MASKED:
            raise FrameError(PROTOCOL_ERROR, "a frame of a client must be masked")
        length = second & 0x7F
        skip = 6
        if first & 0x08:
            if length > MAX_CONTROL_BYTES:
                raise FrameError(PROTOCOL_ERROR, "a control frame holds at most 125 bytes")
        elif length == 126:
            skip = 8
            if there < 4:
                return None
            length = _at_least(126, _MEDIUM(buffer, start + 2)[0])
        elif length == 127:
            skip = 14
            if there < 10:
                return None
            length = _at_least(65_536, _LONG(buffer, start + 2)[0])
        if not first & 0x08 and length + self._collected > self._max_bytes:
            raise FrameError(TOO_BIG, f"a message holds at most {self._max_bytes} bytes")
        if there < skip + length:
            return None
        begin = start + skip
        payload = bytearray(buffer[begin : begin + length])
        websocket_mask(bytes(buffer[begin - 4 : begin]), payload)
        self._position = begin + length
        if self._position == len(buffer):
            self.rest = b""
            self._position = 0
        return first, payload

    def _check_first(self, first: int) -> None:
        opcode = first & 0x0F
        if opcode not in _OPCODES:
            raise FrameError(PROTOCOL_ERROR, f"there is no opcode {opcode}")
        if first & 0x30 or (first & 0x40 and (not self._deflate or opcode not in (TEXT, BINARY))):
            raise FrameError(PROTOCOL_ERROR, "a reserved bit is set that no extension uses")
        if opcode & 0x08:
            if not first & 0x80:
                raise FrameError(PROTOCOL_ERROR, "a control frame must not be fragmented")
        elif (opcode == _CONTINUATION) != (self._fragments is not None):
            expected = "a continuation" if self._fragments is not None else "the begin of a message"
            raise FrameError(PROTOCOL_ERROR, f"expected {expected}, got opcode {opcode}")

    def _assemble(self, first: int, payload: bytearray) -> Message | None:
        opcode = first & 0x0F
        if opcode & 0x08:
            self.size = 0
            return _control(opcode, payload)
        if self._fragments is None:
            self._opcode = opcode
            self._squeezed = bool(first & 0x40)
            if not first & 0x80:
                self._fragments = [bytes(payload)]
                self._collected = len(payload)
                self.lone_limit_bytes = 0
                return None
            return self._finish(payload)
        if len(self._fragments) >= MAX_FRAGMENTS:
            raise FrameError(TOO_BIG, f"a message has at most {MAX_FRAGMENTS} frames")
        self._fragments.append(bytes(payload))
        self._collected += len(payload)
        if not first & 0x80:
            return None
        self.pieces = len(self._fragments)
        whole = b"".join(self._fragments)
        self._fragments = None
        self._collected = 0
        self.lone_limit_bytes = self._whole_limit_bytes
        return self._finish(whole)

    def _finish(self, data: bytes | bytearray) -> str | bytes:
        if self._squeezed:
            data = self._inflate(data)
        self.size = len(data)
        return _text(data, "text") if self._opcode == TEXT else bytes(data)

    def _inflate(self, data: bytes | bytearray) -> bytes:
        inflater = zlib.decompressobj(-DEFLATE_WINDOW_BITS)
        try:
            plain = inflater.decompress(bytes(data) + DEFLATE_TAIL, self._max_bytes + 1)
        except zlib.error as error:
            raise FrameError(INVALID_TEXT, f"compressed message cannot be read: {error}") from error
        if len(plain) > self._max_bytes:
            raise FrameError(TOO_BIG, f"a message holds at most {self._max_bytes} bytes when decompressed")
        return plain


def _at_least(least: int, length: int) -> int:
    if length < least:
        raise FrameError(PROTOCOL_ERROR, "a length is written in the shortest form (RFC 6455 section 5.2)")
    return length


def _text(data: bytes | bytearray, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise FrameError(INVALID_TEXT, f"{what} is not UTF-8: {error.reason}") from error


def _control(opcode: int, payload: bytearray) -> Message:
    if opcode == PING:
        return Ping(bytes(payload))
    if opcode == PONG:
        return Pong(bytes(payload))
    if not payload:
        return Close(NO_STATUS, "")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not may_be_sent(code):
        raise FrameError(
            PROTOCOL_ERROR, f"close code {code if len(payload) > 1 else 'of one byte'} is not allowed"
        )
    return Close(code, _text(payload[2:], "close reason"))
