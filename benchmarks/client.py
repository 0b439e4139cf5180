"""WebSockets of the generator: raw protocols, because aiohttp's client costs as much as what it would measure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast

from .wire import CLOSE, PING, PONG, TEXT, FrameReader, client_frame, handshake

S = TypeVar("S", bound="Socket")

CONNECTING_AT_ONCE: Final = 100
"""Below the backlog of both servers, so that no SYN is dropped and sent again a second later."""

_NORMAL_CLOSE: Final = client_frame((1000).to_bytes(2), CLOSE)


@dataclass(slots=True)
class Tally:
    """What a load counts.

    Attributes:
        expected: messages that should arrive, for what was sent so far.
        received: those that did, each the next one of its connection.
        mismatched: frames that were not.
        lost: connections that ended before they were closed.
        latencies_ns: of each message in the measured time, where they are noted.
    """

    expected: int = 0
    received: int = 0
    mismatched: int = 0
    lost: int = 0
    latencies_ns: list[int] = field(default_factory=list)


class Socket(asyncio.Protocol):
    """An open WebSocket. What it does with a message is its subclass's.

    Args:
        tally: where it counts.
    """

    __slots__ = ("_closing", "_reader", "gone", "tally", "transport")

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._reader = FrameReader()
        self._closing = False
        self.gone = asyncio.get_running_loop().create_future()

    def opened(self, transport: asyncio.Transport) -> None:
        """The handshake is over."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Cuts frames."""
        for opcode, payload in self._reader.feed(data):
            if opcode == TEXT:
                self.heard(payload)
            elif opcode == PING:
                self.transport.write(client_frame(payload, PONG))
            elif opcode == CLOSE:
                self.transport.close()
            else:
                self.tally.mismatched += 1

    def heard(self, payload: bytes) -> None:
        """A text message has come. Without a load none is due."""
        self.tally.mismatched += 1

    def close(self) -> None:
        """Begins to close; `gone` is done when the server has closed too."""
        self._closing = True
        self.transport.write(_NORMAL_CLOSE)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, or was lost."""
        if not self._closing:
            self.tally.lost += 1
        self.gone.set_result(None)


class Refused(ConnectionError):
    """The server did not open a WebSocket."""


class _Opening(asyncio.Protocol):
    """The handshake of one connection."""

    def __init__(self, request: bytes, socket: Socket) -> None:
        self._request = request
        self._socket = socket
        self._answer = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # No isinstance: uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, separator, rest = self._answer.partition(b"\r\n\r\n")
        if not separator:
            return
        if not head.startswith(b"HTTP/1.1 101 "):
            self._fail(head.partition(b"\r\n")[0].decode("latin-1"))
            self._transport.close()
            return
        self._transport.set_protocol(self._socket)
        self._socket.opened(self._transport)
        self.done.set_result(None)
        if rest:
            self._socket.data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the connection was closed")

    def _fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(Refused(f"the handshake got {reason!r}, expected 101"))


async def connect(make: Callable[[int], S], count: int, host: str, port: int, path: str) -> list[S]:
    """Opens many WebSockets, some at a time.

    Args:
        make: makes the socket with this index.
        count: how many.
        host: of the server.
        port: of the server.
        path: of each.

    Raises:
        Refused: the server would not have one.
        OSError: nobody listens there.
    """
    request = handshake(host, port, path)
    loop = asyncio.get_running_loop()
    sockets = [make(index) for index in range(count)]

    async def open_one(socket: S) -> None:
        opening = _Opening(request, socket)
        await loop.create_connection(lambda: opening, host, port)
        await opening.done

    for start in range(0, count, CONNECTING_AT_ONCE):
        await asyncio.gather(*map(open_one, sockets[start : start + CONNECTING_AT_ONCE]))
    return sockets


async def close(sockets: Sequence[Socket]) -> None:
    """Closes them all and waits for the server's part; frames that still come are counted."""
    for socket in sockets:
        if not socket.gone.done():
            socket.close()
    await asyncio.gather(*(socket.gone for socket in sockets))
