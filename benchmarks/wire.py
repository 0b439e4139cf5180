"""WebSocket frames as a client needs them (RFC 6455), nothing more: no fragments, no extensions."""

from __future__ import annotations

from typing import Final, NamedTuple

TEXT: Final = 0x1
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_FINAL: Final = 0x80
_MASKED: Final = 0x80
_SHORT: Final = 125
"""A payload of at most this many bytes has its length in the second byte (RFC 6455 section 5.2)."""

KEY: Final = bytes.fromhex("37fa213d")
"""The masking key of RFC 6455 section 5.7. A constant costs the generator nothing and the server as much as any."""


class BadFrame(ValueError):
    """Bytes that are no unmasked, unfragmented frame."""


class Frame(NamedTuple):
    """A frame of the server."""

    opcode: int
    payload: bytes

    def encoded(self) -> bytes:
        """As it came."""
        return server_frame(self.payload, self.opcode)


def client_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A masked frame."""
    size = len(payload)
    mask = (KEY * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload) ^ int.from_bytes(mask)).to_bytes(size)
    return _head(opcode, size, _MASKED) + KEY + masked


def server_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """The frame in which a server sends this payload."""
    return _head(opcode, len(payload), 0) + payload


def _head(opcode: int, size: int, masked: int) -> bytes:
    first = _FINAL | opcode
    if size <= _SHORT:
        return bytes((first, masked | size))
    if size < 1 << 16:
        return bytes((first, masked | 126)) + size.to_bytes(2)
    return bytes((first, masked | 127)) + size.to_bytes(8)


class FrameReader:
    """Cuts a server's bytes into frames."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    @property
    def empty(self) -> bool:
        """No frame has begun."""
        return not self._buffer

    def take(self) -> bytes:
        """The bytes of a frame that has begun; they are for somebody else to read."""
        taken, self._buffer = self._buffer, b""
        return taken

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now.

        Raises:
            BadFrame: a frame is masked, fragmented or has reserved bits.
        """
        buffer = self._buffer + data if self._buffer else data
        frames: list[Frame] = []
        at = 0
        while True:
            frame, end = _cut(buffer, at)
            if frame is None:
                self._buffer = buffer[at:]
                return frames
            frames.append(frame)
            at = end


def _cut(buffer: bytes, at: int) -> tuple[Frame | None, int]:
    available = len(buffer) - at
    if available < 2:
        return None, at
    first, second = buffer[at], buffer[at + 1]
    if first & 0xF0 != _FINAL or second & _MASKED:
        raise BadFrame(
            f"expected a whole unmasked frame, got one that begins with {buffer[at : at + 2].hex()}"
        )
    size, start = second, at + 2
    if second > _SHORT:
        start += 2 if second == 126 else 8
        if len(buffer) < start:
            return None, at
        size = int.from_bytes(buffer[at + 2 : start])
    end = start + size
    if len(buffer) < end:
        return None, at
    return Frame(first & 0x0F, buffer[start:end]), end


def handshake(host: str, port: int, path: str, subprotocol: str = "") -> bytes:
    """The request that opens a WebSocket."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        # The sample key of RFC 6455 section 1.3: nobody caches here.
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    if subprotocol:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
