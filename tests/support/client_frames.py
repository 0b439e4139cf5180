"""Frames as a client sends them, rightly or wrongly made, and a raw client to send them."""

from __future__ import annotations

import asyncio
import base64
import os
from types import TracebackType
from typing import cast

MASK = b"\x01\x02\x03\x04"


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """One frame.

    Args:
        opcode: of RFC 6455.
        payload: before masking.
        fin: the last of its message.
        rsv: the three reserved bits, 4 is RSV1.
        masked: as a client must.
    """
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    length = len(payload)
    bit = 0x80 if masked else 0
    if length < 126:
        head = bytes((first, bit | length))
    elif length < 65_536:
        head = bytes((first, bit | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + length.to_bytes(8, "big")
    if not masked:
        return head + payload
    return head + MASK + masked_with(MASK, payload)


def masked_with(key: bytes, payload: bytes) -> bytes:
    """A payload under a mask of four bytes (RFC 6455 section 5.3): as one large number, not byte by byte."""
    length = len(payload)
    keys = (key * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")).to_bytes(length, "big")


class RawClient:
    """A TCP client that sends whatever a test wants."""

    def __init__(self, host: str, port: int) -> None:
        self._where = (host, port)
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> RawClient:
        self.reader, self.writer = await asyncio.open_connection(*self._where)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.transport.abort()
        # The transport says goodbye in the next iterations.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def stop_reading(self) -> None:
        """Takes nothing more off the socket."""
        self._transport.pause_reading()

    def read_on(self) -> None:
        """Ends `stop_reading`."""
        self._transport.resume_reading()

    @property
    def _transport(self) -> asyncio.Transport:
        return cast(asyncio.Transport, self.writer.transport)

    async def head(self, request: str) -> str:
        """Sends the head of a request (lines without the empty one) and gives the head of the answer."""
        self.writer.write(request.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def upgrade(self, path: str = "/", extra: str = "") -> str:
        """Does a proper handshake; gives the head of the answer."""
        return await self.head(self.handshake(path, extra))

    async def upgrade_blindly(self) -> None:
        """Asks for a WebSocket and does not look at the answer."""
        self.send(self.handshake().replace("\n", "\r\n").encode() + b"\r\n\r\n")
        await self.writer.drain()

    def handshake(self, path: str = "/", extra: str = "") -> str:
        """The lines of a proper handshake."""
        key = base64.b64encode(os.urandom(16)).decode()
        return (
            f"GET {path} HTTP/1.1\nHost: test\nUpgrade: websocket\nConnection: Upgrade\n"
            f"Sec-WebSocket-Version: 13\nSec-WebSocket-Key: {key}{extra}"
        )

    def send(self, data: bytes) -> None:
        """Sends bytes."""
        self.writer.write(data)

    async def receive(self) -> tuple[int, bytes]:
        """One frame of the server: its first byte and payload."""
        first, length = await self.reader.readexactly(2)
        if length >= 126:
            length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
        return first, await self.reader.readexactly(length)

    async def close_code(self) -> int:
        """The code of the server's close frame, which must come next."""
        first, payload = await self.receive()
        assert first == 0x88, (first, payload)
        return int.from_bytes(payload[:2], "big")

    async def ended(self) -> bool:
        """Waits for the end of the connection; False if anything came before it."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True
