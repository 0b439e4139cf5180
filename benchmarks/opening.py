"""Opens WebSockets: the handshake, and what a dialect says before the first message."""

from __future__ import annotations

import asyncio
import socket as sockets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeVar, cast

from .client import Socket
from .speech import Speech
from .wire import PING, PONG, TEXT, FrameReader, client_frame, handshake

S = TypeVar("S", bound=Socket)

AT_ONCE: Final = 100
"""Handshakes at the same time: below the backlog of all servers, so that no SYN is dropped and sent again later."""
WITHIN_S: Final = 30.0
"""For one handshake. Without a bound a server that says nothing would hang the suite."""
PER_ADDRESS: Final = 10_000
"""Connections to a port that come from one address; it has some 28,000 ports, and those of earlier runs may linger."""

_NO_LINGER: Final = Struct("ii").pack(1, 0)
"""Whoever has closed leaves no TIME_WAIT behind: quick servers opened 28,000 connections within its minute, which are
all the ports there are, and the next could not be made."""


class Refused(ConnectionError):
    """The server did not open a WebSocket."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where a client connects.

    Attributes:
        host: of the server.
        port: of the server.
        path: of the WebSocket, ``{run}`` still in it.
        source: address to come from; the kernel's choice if empty.
    """

    host: str
    port: int
    path: str
    source: str = ""


def source_of(index: int) -> str:
    """The loopback address from which the connection of this index to a port comes; empty for the first ones."""
    return f"127.0.0.{1 + index // PER_ADDRESS}" if index >= PER_ADDRESS else ""


class _Opening(asyncio.Protocol):
    """The beginning of one connection."""

    def __init__(self, request: bytes, steps: Sequence[tuple[bytes, bytes]], socket: Socket) -> None:
        self._request = request
        self._steps = list(steps)
        self._socket = socket
        self._answer = b""
        self._upgraded = False
        self._reader = FrameReader()
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # No isinstance: uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, _NO_LINGER)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._upgraded:
            self._listen(data)
            return
        self._answer += data
        head, separator, rest = self._answer.partition(b"\r\n\r\n")
        if not separator:
            return
        if not head.startswith(b"HTTP/1.1 101 "):
            status = head.partition(b"\r\n")[0].decode("latin-1")
            self._fail(f"the handshake got {status!r}, expected 101")
            self._transport.close()
            return
        self._upgraded = True
        self._say()
        self._listen(rest)

    def _listen(self, data: bytes) -> None:
        """Skips frames up to the one that is waited for; what comes behind the last of those is the socket's."""
        frames = self._reader.feed(data)
        for index, (opcode, payload) in enumerate(frames):
            if not self._steps:
                rest = b"".join(frame.encoded() for frame in frames[index:])
                self._finish(rest + self._reader.take())
                return
            if opcode == PING:
                self._transport.write(client_frame(payload, PONG))
            elif opcode == TEXT and self._steps[0][1] in payload:
                del self._steps[0]
                self._say()
        if not self._steps:
            self._finish(self._reader.take())

    def _say(self) -> None:
        """Sends up to the next frame that is waited for."""
        while self._steps:
            frame, until = self._steps[0]
            if frame:
                self._transport.write(frame)
            if until:
                return
            del self._steps[0]

    def _finish(self, rest: bytes) -> None:
        self._transport.set_protocol(self._socket)
        self._socket.opened(self._transport)
        if not self.done.done():
            self.done.set_result(None)
        if rest:
            self._socket.data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the connection was closed before the handshake was over")

    def _fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(Refused(reason))


async def open_one(socket: Socket, speech: Speech, door: Door, room: str) -> None:
    """Opens one WebSocket.

    Args:
        socket: takes over when it is open.
        speech: what is said behind the handshake.
        door: where.
        room: name of the group, or of the run.

    Raises:
        Refused: the server would not have it.
        OSError: nobody listens there.
    """
    request = handshake(door.host, door.port, door.path.replace("{run}", room), speech.dialect.subprotocol)
    opening = _Opening(request, speech.opening(room), socket)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(WITHIN_S):
        if door.source:
            await loop.create_connection(lambda: opening, sock=await _from(door))
        else:
            await loop.create_connection(lambda: opening, door.host, door.port)
        await opening.done


async def _from(door: Door) -> sockets.socket:
    made = sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM)
    made.setblocking(False)
    try:
        made.bind((door.source, 0))
        await asyncio.get_running_loop().sock_connect(made, (door.host, door.port))
    except BaseException:
        made.close()
        raise
    return made


async def open_all(
    make: Callable[[int], S],
    count: int,
    speech: Speech,
    door: Callable[[int], Door],
    room: Callable[[int], str],
) -> list[S]:
    """Opens many WebSockets, some at a time, in order of their indexes.

    Args:
        make: makes the socket with this index.
        count: how many.
        speech: what is said behind the handshake.
        door: index to where it connects.
        room: index to the name of its group.

    Raises:
        Refused: the server would not have one.
        OSError: nobody listens there.
    """
    made = [make(index) for index in range(count)]
    indexes = iter(range(count))

    async def one_by_one() -> None:
        for index in indexes:
            await open_one(made[index], speech, door(index), room(index))

    with first_error():
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, count)):
                group.create_task(one_by_one())
    return made


@contextmanager
def first_error() -> Iterator[None]:
    """Of several tasks that failed alike, one tells why: whoever reports it shows its last line."""
    try:
        yield
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
