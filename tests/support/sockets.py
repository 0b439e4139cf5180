"""A WebSocket client for tests that want to know all that a connection heard, from its first to its last moment."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

import aiohttp

from tests.support.waiting import until


class Socket:
    """An open WebSocket that keeps whatever arrives.

    Attributes:
        heard: every text and binary frame so far, in order.
        code: close code, None while it is open.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.heard: list[str | bytes] = []
        self.code: int | None = None
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for frame in self._socket:
            assert frame.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), frame
            self.heard.append(frame.data)
        self.code = self._socket.close_code

    async def send(self, data: str | bytes) -> None:
        """Sends a text or a binary frame."""
        if isinstance(data, str):
            await self._socket.send_str(data)
        else:
            await self._socket.send_bytes(data)

    async def hears(self, count: int, within_s: float = 10.0) -> list[str | bytes]:
        """Waits until ``count`` frames have arrived, and returns all there are."""
        await until(
            lambda: len(self.heard) >= count or self._reader.done(), within_s, f"{count} frames: {self.heard}"
        )
        assert len(self.heard) >= count, f"closed with {self.code} after {self.heard}"
        return self.heard

    async def close(self, code: int = 1000) -> None:
        """Closes it from this side."""
        await self._socket.close(code=code)
        await self._reader

    async def ended(self) -> list[str | bytes]:
        """Waits until the server has closed it; returns everything it ever heard."""
        await self._reader
        return self.heard


class Client:
    """Opens WebSockets; closes those that are left on the way out."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()
        self._sockets: list[Socket] = []

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(socket.close() for socket in self._sockets))
        await self._session.close()

    async def open(self, url: str, **options: Any) -> Socket:
        """Opens a WebSocket.

        Raises:
            aiohttp.WSServerHandshakeError: the server refused it.
        """
        socket = Socket(await self._session.ws_connect(url, **options))
        self._sockets.append(socket)
        return socket
