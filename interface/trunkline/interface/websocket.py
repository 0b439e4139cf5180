"""One open WebSocket as the protocol of its transport: frames in, frames out, the closing handshake, the heartbeat.

It knows nothing of messages and workers; `connection` does. There is no task, no timer and no stream behind it: what is
read is parsed in the call that read it, what is sent is bytes written to the transport.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from trunkline.protocol.names import ConnectionId

from . import frames, heartbeat
from .reader import Close, FrameError, FrameReader, Ping
from .states import CLOSING, CONNECTING, HOLD_AWAY, OPEN, State

if TYPE_CHECKING:
    from .tenure import Tenure

log = logging.getLogger(__name__)


class WebSocket(asyncio.Protocol):
    """A WebSocket from its handshake to its end.

    Args:
        connection: its id.
        path: of its handshake.
        tenure: what it shares with all others.
        deflates: permessage-deflate was agreed on.

    Attributes:
        state: where it stands.
        heard: tick of the wheel in which data came last.
        slot: place in the wheel.
    """

    __slots__ = (
        "_code",
        "_early_bytes",
        "_held",
        "_out",
        "_reader",
        "_reason",
        "_stopped",
        "_tenure",
        "_transport",
        "deflates",
        "heard",
        "id",
        "path",
        "slot",
        "state",
    )

    def __init__(self, connection: ConnectionId, path: str, tenure: Tenure, deflates: bool) -> None:
        self.id = connection
        self.path = path
        self.deflates = deflates
        self.state = CONNECTING
        self.heard = 0
        self.slot = heartbeat.UNSCHEDULED
        self._tenure = tenure
        self._transport: asyncio.Transport | None = None
        self._reader: FrameReader | None = None
        # What is written before the upgrade, or within one mailbox batch; None if it goes out directly.
        self._out: list[bytes] | None = []
        self._early_bytes = 0
        self._held = 0
        self._stopped = False
        self._code = frames.ABNORMAL
        self._reason = ""

    # ---- what a connection does about it ----

    def received(self, message: str | bytes, size: int) -> None:
        """A message of ``size`` bytes came from the client."""
        raise NotImplementedError

    def unreachable(self) -> None:
        """Nothing can be sent any more, though the client may still answer our close."""
        raise NotImplementedError

    def ended(self) -> None:
        """Nothing is read or written any more. May be called again."""
        raise NotImplementedError

    def abandon(self, status: int, text: str) -> None:
        """It was closed before it was open: answer the handshake with this HTTP status."""
        raise NotImplementedError

    # ---- out ----

    def opened(self, transport: asyncio.Transport) -> None:
        """The upgrade is written and this is the transport's protocol now: writes what came early."""
        tenure = self._tenure
        self._transport = transport
        self._reader = FrameReader(tenure.settings.max_message_bytes, self.deflates)
        transport.set_write_buffer_limits(high=tenure.settings.outbound_bytes)
        self._enter(OPEN)
        tenure.sockets.count += 1
        self.heard = tenure.wheel.now
        tenure.wheel.put(self, tenure.rhythm.interval)
        self.flush()
        if not tenure.up:
            self.hold(HOLD_AWAY)

    def write(self, frame: bytes) -> None:
        """Writes the frame of one message; it leaves with the others of this mailbox batch."""
        tenure = self._tenure
        if self.state is not OPEN:
            if self.state is not CONNECTING or self._out is None:
                tenure.drop("closed")
                return
            self._early_bytes += len(frame)
            if self._early_bytes > tenure.settings.outbound_bytes:
                tenure.drop("early")
                self.abandon(503, "too much was sent before the connection was accepted")
                return
        metrics = tenure.metrics
        metrics.messages_out.value += 1
        metrics.bytes_out.value += len(frame)
        if self._out is not None:
            self._out.append(frame)
        elif tenure.joining is not None:
            self._out = [frame]
            tenure.joining.append(self)
        else:
            self._transport.write(frame)  # type: ignore[union-attr]

    def flush(self) -> None:
        """Writes what `write` has collected."""
        out, self._out = self._out, None
        if out and self._transport is not None:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    # ---- from the socket ----

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        tenure = self._tenure
        self.heard = tenure.wheel.now
        tenure.metrics.bytes_in.value += len(data)
        reader = self._reader
        if reader is not None:
            reader.feed(data)
            if not self._held:
                self._read(reader)

    def _read(self, reader: FrameReader) -> None:
        try:
            while (message := reader.next()) is not None:
                kind = type(message)
                if (kind is str or kind is bytes) and self.state is OPEN:
                    self.received(message, reader.size)  # type: ignore[arg-type]
                    if self._held:
                        return
                elif kind is Close:
                    self._client_closes(message)  # type: ignore[arg-type]
                    return
                elif self.state is not OPEN:
                    self._tenure.drop("closing")
                elif kind is Ping:
                    self._transport.write(frames.pong(message[0]))  # type: ignore[union-attr,arg-type]
        except FrameError as error:
            self._fail(error)

    def _client_closes(self, message: Close) -> None:
        if self.state is OPEN:
            self.flush()
            self._transport.write(frames.close(message.code))  # type: ignore[union-attr]
            self._code, self._reason = message.code, message.reason
        self._hang_up()

    def _hang_up(self) -> None:
        """Closes the transport when what is written has left, at the latest after the close time."""
        transport = self._transport
        self._reader = None
        self.ended()
        if transport is not None:
            self._tenure.wheel.put(self, self._tenure.rhythm.close)
            transport.close()

    def _fail(self, error: FrameError) -> None:
        """Fails the connection (RFC 6455 section 7.1.7): a close frame, and the sending half shut, so that the code
        reaches a client that is still sending; what it sends is not looked at."""
        log.debug("failing connection=%s code=%d: %s", self.id, error.code, error)
        transport = self._transport
        self._reader = None
        if self.state is not OPEN or transport is None:
            self._hang_up()
            return
        self.close(error.code, str(error))
        self.flush()
        if transport.can_write_eof():
            transport.write_eof()

    def close(self, code: int, reason: str = "") -> None:
        """Closes from our side. Nothing is sent to it any more; its disconnect carries this code."""
        if self.state is CONNECTING:
            # Said before or with the verdict: there is no socket that could carry the code.
            self.abandon(403, reason or "refused by the application")
            return
        if self.state is not OPEN or self._transport is None:
            return
        self.flush()
        self._code, self._reason = code, reason
        self._transport.write(frames.close(code, reason))
        self._enter(CLOSING)
        self.unreachable()
        self._tenure.wheel.put(self, self._tenure.rhythm.close)
        if self._held:
            # Its answer must be read, whatever else waits.
            self._held = 0
            self._resume()

    def pause_writing(self) -> None:
        """The client does not read: more than the outbound limit is unsent."""
        if self.state is OPEN:
            self._tenure.metrics.slow_readers.value += 1
            self._tenure.warn("slow_reader", "closing a slow reader path=%s", self.path)
            self.close(frames.TRY_AGAIN_LATER, "reading too slowly")

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, for whatever reason."""
        tenure = self._tenure
        self._transport = None
        self._reader = None
        self._out = None
        tenure.sockets.count -= 1
        tenure.wheel.remove(self)
        self.ended()

    def due(self, now: int) -> int:
        """The wheel looks at it: ping, cut off, or wait on."""
        tenure = self._tenure
        transport = self._transport
        if self.state is not OPEN or transport is None:
            self.cut()
            return 0
        if self._held:
            # We do not read, so hearing nothing says nothing.
            self.heard = now
        ticks = tenure.rhythm.decide(self.heard, now)
        if ticks == heartbeat.PING:
            self.heard = heartbeat.SILENT
            transport.write(frames.PING_FRAME)
            return tenure.rhythm.timeout
        if ticks == heartbeat.ABORT:
            log.debug("no life sign, cutting off connection=%s", self.id)
            transport.abort()
            return 0
        return ticks

    def cut(self) -> None:
        """Ends the socket at once, without a word."""
        if self._transport is not None:
            self._transport.abort()

    # ---- reading or not ----

    @property
    def paused(self) -> bool:
        """Its socket is not read."""
        return self._held != 0

    @property
    def outbound_bytes(self) -> int:
        """Bytes written that the kernel has not taken."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def hold(self, reason: int) -> None:
        """Reads its socket no more, for this reason among others."""
        if self.state is not OPEN:
            return
        self._held |= reason
        transport = self._transport
        if not self._stopped and transport is not None and not transport.is_closing():
            # Kept by ourselves: not every transport can be asked (`is_reading` is missing with TLS).
            self._stopped = True
            transport.pause_reading()

    def let_go(self, reason: int) -> None:
        """The reason has gone; without any other the socket is read again, what was read before first."""
        if self._held & reason:
            self._held &= ~reason
            if not self._held:
                self._resume()

    def _resume(self) -> None:
        self.heard = self._tenure.wheel.now
        if self._reader is not None:
            self._read(self._reader)
        transport = self._transport
        if self._stopped and not self._held and transport is not None and not transport.is_closing():
            self._stopped = False
            transport.resume_reading()

    def _enter(self, state: State) -> None:
        """The one place where the state changes."""
        self.state = state
        if log.isEnabledFor(logging.DEBUG):
            log.debug("connection=%s path=%s is %s", self.id, self.path, state.value)
