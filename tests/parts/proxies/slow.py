"""A WebSocket client that reads as slowly as can be: a byte when it is told to."""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from urllib.parse import urlsplit

from tests.support.client_frames import RawClient, frame
from trunkline.interface.frames import TEXT


class SlowClient:
    """The client; its kernel takes little.

    Args:
        url: of the WebSocket, with ``http``.

    Attributes:
        taken: what it has read behind the answer to its handshake.
    """

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        assert where.hostname is not None and where.port is not None
        self._where = where.hostname, where.port
        self._path = where.path
        self._socket = socket.socket()
        # Before it connects, or the other side has been offered more.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        self._socket.setblocking(False)
        self.taken = b""

    async def __aenter__(self) -> SlowClient:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, self._where)
        lines = RawClient(*self._where).handshake(self._path).replace("\n", "\r\n")
        await loop.sock_sendall(self._socket, lines.encode() + b"\r\n\r\n")
        while not self.taken.endswith(b"\r\n\r\n"):
            await self.read_byte()
        assert self.taken.startswith(b"HTTP/1.1 101"), self.taken
        self.taken = b""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    async def send(self, text: str) -> None:
        """Sends a message."""
        await asyncio.get_running_loop().sock_sendall(self._socket, frame(TEXT, text.encode()))

    async def read_byte(self) -> None:
        """Reads one byte."""
        self.taken += await asyncio.get_running_loop().sock_recv(self._socket, 1)

    async def read_all(self) -> None:
        """Reads until the connection has ended, however it does."""
        loop = asyncio.get_running_loop()
        try:
            while piece := await loop.sock_recv(self._socket, 65_536):
                self.taken += piece
        except ConnectionError:
            return

    def messages(self) -> list[str]:
        """The texts among what was read; the last one may be cut off."""
        found, data = [], self.taken
        while len(data) >= 4 and data[0] == 0x81:
            size, start = (data[1], 2) if data[1] < 126 else (int.from_bytes(data[2:4], "big"), 4)
            found.append(data[start : start + size].decode())
            data = data[start + size :]
        return found
