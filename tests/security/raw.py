"""Bytes to a server as an attacker writes them, and what it answers until it hangs up or says nothing more."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urlsplit

from tests.support.client_frames import RawClient

BESIDE = 2
"""Requests on connections of their own that are answered from end to end before a server that is silent is taken to
have said all: what it would do with bytes it already has, it would have done by then, however busy the machine is."""
QUIET_S = 0.1
"""And so long it may say nothing behind them."""
LIMIT_S = 10.0

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


class Answer:
    """What came back.

    Attributes:
        data: all bytes.
        ended: the server closed the connection.
    """

    def __init__(self, data: bytes, ended: bool) -> None:
        self.data = data
        self.ended = ended

    @property
    def statuses(self) -> list[int]:
        """The status of each response, in order."""
        return [int(status) for status in _STATUS.findall(self.data)]


class Raw:
    """A server's address, to send anything to.

    Args:
        address: ``http://host:port``.
    """

    def __init__(self, address: str) -> None:
        where = urlsplit(address)
        assert where.hostname is not None and where.port is not None
        self.address = address
        self.host, self.port = where.hostname, where.port

    def client(self) -> RawClient:
        """A connection that speaks frames."""
        return RawClient(self.host, self.port)

    async def send(self, *pieces: bytes) -> Answer:
        """Sends the pieces, each after the loop has had a chance to carry the one before, and reads what comes."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            return await self._read(reader)
        finally:
            writer.transport.abort()

    async def whole(self, data: bytes) -> Answer:
        """Sends bytes that the server must answer by closing, and reads to the end."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(data)
            async with asyncio.timeout(LIMIT_S):
                return Answer(await reader.read(), True)
        finally:
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> Answer:
        said = b""
        quiet_s = LIMIT_S
        while True:
            try:
                async with asyncio.timeout(quiet_s):
                    piece = await reader.read(65_536)
            except TimeoutError:
                return Answer(said, False)
            except ConnectionError:
                return Answer(said, True)
            if not piece:
                return Answer(said, True)
            said += piece
            for _ in range(BESIDE):
                await self.whole(b"GET /beside HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            quiet_s = QUIET_S
