"""The reading half of a WebSocket: what the client sends, and whether its socket is read at all.

What is read is parsed in the call that read it. A client that sends thousands of tiny frames gets a turn of so many
(see `reader.TURN_FRAMES`) and then waits for the next round of the event loop, like everybody else.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from time import perf_counter
from typing import TYPE_CHECKING, Final

from . import frames
from .rate import FULL, NONE_LEFT
from .reader import TURN_FRAMES, Close, FrameError, FrameReader, Message, Ping
from .states import CONNECTING, HOLD_TURN, OPEN, State

if TYPE_CHECKING:
    from .tenure import Tenure

TOKEN_BYTES: Final = 4096
"""A message counts as one at the message rate, and as one more for each time it is so large: copying so much through
Redis and two processes costs 40 us, about what handling a small one does."""
TOKEN_PIECES: Final = 16
"""The same for the frames that it came in: reading so many costs as much."""
MAX_SEARCHED_BYTES: Final = 262_144
"""How far the answer to our close frame is looked for. It comes behind what the client had sent before it saw ours; if
it is further away, the connection ends with the close time instead."""
MAX_DISCARDED_BYTES: Final = 8_388_608
"""What is read behind our close frame until the connection is cut off before its time. Reading goes on at all because
closing a socket with data unread resets it, and the close frame may be lost; so much is on its way on a fast line until
that has arrived."""


class Inbound(asyncio.Protocol, ABC):
    """Reads messages of the client, as long as nothing holds it.

    Args:
        tenure: what it shares with all others.

    Attributes:
        state: where the WebSocket stands.
        heard: tick of the wheel in which data came last.
        held: why its socket is not read, bits of `states`; 0 if it is.
    """

    __slots__ = (
        "_asked",
        "_bucket",
        "_discarded",
        "_reader",
        "_stopped",
        "_tenure",
        "_transport",
        "heard",
        "held",
        "state",
    )

    def __init__(self, tenure: Tenure) -> None:
        self.state: State = CONNECTING
        self.heard = 0
        self._tenure = tenure
        self._transport: asyncio.Transport | None = None
        self._reader: FrameReader | None = None
        self._asked = False  # we have sent a ping, and no pong has come since
        self._bucket = FULL
        self._discarded = 0
        self.held = 0
        self._stopped = False

    # ---- what a WebSocket does about it ----

    @abstractmethod
    def received(self, message: str | bytes, size: int) -> None:
        """A message of ``size`` bytes came."""

    @abstractmethod
    def crowded(self) -> None:
        """A read is done, and the workers have more to do than they can: wait for a turn."""

    @abstractmethod
    def pinged(self, payload: bytes) -> None:
        """A ping came."""

    @abstractmethod
    def client_closes(self, message: Close) -> None:
        """The client's close frame, or its answer to ours, came. Nothing more is read."""

    @abstractmethod
    def fail(self, error: FrameError) -> None:
        """The client broke the protocol or a limit. Nothing more is read."""

    # ---- reading ----

    def read(self, data: bytes) -> None:
        """Takes bytes of the client."""
        tenure = self._tenure
        self.heard = tenure.wheel.now
        tenure.metrics.bytes_in.value += len(data)
        reader = self._reader
        if self.state is not OPEN:
            reader = self._discard(len(data))
        if reader is None:
            return
        reader.feed(data)
        if not self.held:
            self._read(reader)
            if tenure.busy:
                self.crowded()

    def _discard(self, size: int) -> FrameReader | None:
        """So much came behind our close frame, or behind a failure. Looks on for the client's answer for a while, reads
        on for a while longer, and cuts it off then: a client that floods us costs as much while it is being closed."""
        self._discarded += size
        if self._discarded > MAX_SEARCHED_BYTES:
            self._reader = None
        if self._discarded > MAX_DISCARDED_BYTES and self._transport is not None:
            self._transport.abort()
        return self._reader

    def _read(self, reader: FrameReader) -> None:
        reader.spent = 0
        limited = self._tenure.message_rate is not None
        try:
            while (message := reader.next()) is not None:
                if (type(message) is str or type(message) is bytes) and self.state is OPEN:
                    if limited:
                        self._take_tokens(1 + reader.size // TOKEN_BYTES + reader.pieces // TOKEN_PIECES)
                        reader.pieces = 0
                    self.received(message, reader.size)
                    if self.held or not reader.rest:
                        return
                elif type(message) is Close:
                    self.client_closes(message)
                    return
                elif self.state is not OPEN:
                    self._tenure.drop("closing")
                else:
                    self._control(message)
        except FrameError as error:
            self.fail(error)
            return
        if reader.spent == TURN_FRAMES:
            # Enough for now: the rest of what was read is looked at when the others have been. Also while closing.
            if self.state is not OPEN and self._discard(TURN_FRAMES * frames.MAX_CONTROL_BYTES) is None:
                return
            self.held |= HOLD_TURN
            self._stop()
            self._tenure.loop.call_soon(self.let_go, HOLD_TURN)

    def _control(self, message: Message) -> None:
        """A ping or a pong, which count at the message rate: thousands of pongs are no better than as many pings. But
        the answer to our own ping is free."""
        if type(message) is not Ping and self._asked:
            self._asked = False
            return
        self._take_tokens(1)
        if type(message) is Ping:
            self.pinged(message[0])

    def _take_tokens(self, tokens: int) -> None:
        """One more message, ping or pong.

        Raises:
            FrameError: it is too much for the message rate.
        """
        rate = self._tenure.message_rate
        if rate is not None:
            bucket = rate.take(self._bucket, perf_counter(), tokens)
            if bucket == NONE_LEFT:
                self._tenure.turned_away("message_rate")
                raise FrameError(frames.POLICY_VIOLATION, "too many messages in a short time")
            self._bucket = bucket

    # ---- reading or not ----

    @property
    def paused(self) -> bool:
        """Its socket is not read."""
        return self.held != 0

    def hold(self, reason: int) -> None:
        """Reads its socket no more, for this reason among others."""
        if self.state is OPEN:
            self.held |= reason
            self._stop()

    def _stop(self) -> None:
        transport = self._transport
        if not self._stopped and transport is not None and not transport.is_closing():
            # Kept by ourselves: not every transport can be asked (`is_reading` is missing with TLS).
            self._stopped = True
            transport.pause_reading()

    def let_go(self, reason: int) -> None:
        """The reason has gone; without any other the socket is read again, what was read before first."""
        if self.held & reason:
            self.held &= ~reason
            if not self.held:
                self._resume()

    def _resume(self) -> None:
        self.heard = self._tenure.wheel.now
        if self._reader is not None:
            self._read(self._reader)
            if self._tenure.busy:
                self.crowded()
        transport = self._transport
        if self._stopped and not self.held and transport is not None and not transport.is_closing():
            self._stopped = False
            transport.resume_reading()
