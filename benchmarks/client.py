"""WebSockets of the generator: raw protocols, because aiohttp's client costs as much as what it would measure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from .ring import Ring
from .speech import Speech
from .tally import Tally
from .wire import CLOSE, PING, PONG, TEXT, FrameReader, client_frame

NORMAL_CLOSE: Final = client_frame((1000).to_bytes(2), CLOSE)
CLOSE_WITHIN_S: Final = 30.0
"""For all connections of a process to be closed."""


class Socket(asyncio.Protocol):
    """An open WebSocket. What it does with a message is its subclass's.

    Args:
        tally: where it counts.
        speech: how messages are wrapped.
    """

    __slots__ = ("_closing", "_reader", "gone", "speech", "tally", "transport")

    def __init__(self, tally: Tally, speech: Speech) -> None:
        self.tally = tally
        self.speech = speech
        self._reader = FrameReader()
        self._closing = False
        self.gone = asyncio.get_running_loop().create_future()

    def opened(self, transport: asyncio.Transport) -> None:
        """The handshake is over, and what is said behind it."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Cuts frames."""
        for opcode, payload in self._reader.feed(data):
            if opcode == TEXT:
                self._text(payload)
            elif opcode == PING:
                self.transport.write(client_frame(payload, PONG))
            elif opcode == CLOSE:
                self.transport.close()
            else:
                self.tally.mismatched += 1

    def _text(self, payload: bytes) -> None:
        messages = self.speech.decode(payload)
        for message in messages:
            self.heard(message)
        if not messages and (pong := self.speech.pong(payload)) is not None:
            self.transport.write(pong)

    def heard(self, message: bytes) -> None:
        """A message has come. Without a load none is due."""
        self.tally.mismatched += 1

    def close(self) -> None:
        """Begins to close; `gone` is done when the server has closed too."""
        self._closing = True
        if not self.transport.is_closing():
            self.transport.write(NORMAL_CLOSE)

    def forsake(self) -> None:
        """Its loss is meant and not counted."""
        self._closing = True

    def drop(self) -> None:
        """Ends at once, without a word."""
        self.forsake()
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, or was lost."""
        if not self._closing:
            self.tally.lost += 1
        if not self.gone.done():
            self.gone.set_result(None)


class Follower(Socket):
    """Hears the messages of a ring, each once and in order.

    As long as what comes is what the ring says, nothing is parsed, however it is cut. Anything else (a ping, a frame
    that is wrapped otherwise, an error) is parsed up to the end of a frame.

    Args:
        tally: where it counts.
        speech: how messages are wrapped.
        ring: what comes.
    """

    __slots__ = ("_at", "_position", "ring")

    def __init__(self, tally: Tally, speech: Speech, ring: Ring) -> None:
        super().__init__(tally, speech)
        self.ring = ring
        self._position = 0
        self._at = 0 if ring.stream else -1

    def came(self, count: int) -> None:
        """So many messages have come, the next ones of the ring."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        """Compares; parses what is something else."""
        ring = self.ring
        at = self._at
        if at >= 0:
            size = ring.frame_bytes
            if ring.matches(at, data):
                end = at + len(data)
                self._at = end % len(ring.stream)
                if count := end // size - at // size:
                    self.came(count)
                return
            self._position = at // size
            self._at = -1
            self._reader.feed(ring.stream[self._position * size : at])
        super().data_received(data)
        if ring.stream and self._reader.empty:
            self._at = self._position * ring.frame_bytes

    def heard(self, message: bytes) -> None:
        """A message that was parsed."""
        ring = self.ring
        if message == ring.messages[self._position]:
            self._position = (self._position + 1) % len(ring)
            self.came(1)
        elif ring.was_before(message, self._position):
            self.tally.duplicates += 1
        else:
            self.tally.mismatched += 1


async def close(sockets: Sequence[Socket]) -> None:
    """Closes them all and waits for the server's part; frames that still come are counted.

    A server that does not close in time is no fault of what was measured before: its connections are dropped.
    """
    open_ones = [socket for socket in sockets if not socket.gone.done()]
    for socket in open_ones:
        socket.close()
    if open_ones:
        await asyncio.wait([socket.gone for socket in open_ones], timeout=CLOSE_WITHIN_S)
    for socket in open_ones:
        if not socket.gone.done():
            socket.drop()
