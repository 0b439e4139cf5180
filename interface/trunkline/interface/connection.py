"""One WebSocket: from its handshake's connect event to the release of its disconnect.

aiohttp reads the handshake. Once a worker accepts it, the transport is taken from aiohttp and given to this protocol,
so an open connection has no task, no timer, no stream and no request: what is read is parsed and published in the call
that read it, what is sent is bytes written to the transport.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from trunkline.protocol.codec import encode_entry
from trunkline.protocol.layer import Publication
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    ChannelName,
    ConnectionId,
    ReplyName,
)

from . import frames, heartbeat
from .flow import Flow
from .frames import Framed
from .reader import Close, FrameError, FrameReader, Ping

if TYPE_CHECKING:
    from .entrance import Handshake
    from .tenure import Tenure

log = logging.getLogger(__name__)


class State(enum.Enum):
    """Where a connection stands."""

    CONNECTING = "connecting"
    """The connect handler has not decided; what is sent to it waits for the upgrade."""
    OPEN = "open"
    CLOSING = "closing"
    """Our close frame is out; the client's answer, or the deadline, ends it."""
    CLOSED = "closed"
    """Nothing more is written or read; the disconnect is on its way or released."""


_tuple = tuple.__new__

CONNECTING: Final = State.CONNECTING
OPEN: Final = State.OPEN
CLOSING: Final = State.CLOSING
CLOSED: Final = State.CLOSED

# Why a socket is not read.
HOLD_FULL: Final = 1
"""Its queue is full."""
HOLD_AWAY: Final = 2
"""The layer does not answer."""
HOLD_REFUSED: Final = 4
"""The channel is full."""


class Connection(asyncio.Protocol):
    """A WebSocket connection, and an `Owner` of publications and a `Recipient` of mailbox operations.

    Args:
        connection: its id.
        reply: its reply channel.
        path: path of its handshake.
        tenure: what it shares with all others.
        handshake: who is told the verdict.
        deflates: permessage-deflate was agreed on.

    Attributes:
        publication: entry in flight.
        batch: number of the batch that entry left with.
        heard: tick of the wheel in which data came last.
        slot: place in the wheel.
    """

    __slots__ = (
        "_code",
        "_early_bytes",
        "_handshake",
        "_held",
        "_out",
        "_reader",
        "_reason",
        "_since_s",
        "_tenure",
        "_transport",
        "_waits_s",
        "batch",
        "deflates",
        "flow",
        "heard",
        "id",
        "path",
        "publication",
        "reply",
        "slot",
        "state",
    )

    def __init__(
        self,
        connection: ConnectionId,
        reply: ReplyName,
        path: str,
        tenure: Tenure,
        handshake: Handshake,
        deflates: bool,
    ) -> None:
        self.id = connection
        self.reply = reply
        self.path = path
        self.deflates = deflates
        self.state = CONNECTING
        self.flow = Flow(tenure.bound)
        self.publication: Publication | None = None
        self.batch = 0
        self.heard = 0
        self.slot = heartbeat.UNSCHEDULED
        self._tenure = tenure
        self._handshake: Handshake | None = handshake
        self._transport: asyncio.Transport | None = None
        self._reader: FrameReader | None = None
        self._out: list[bytes] | None = []
        self._early_bytes = 0
        self._held = 0
        self._code = frames.ABNORMAL
        self._reason = ""
        self._since_s = 0.0
        self._waits_s = 0.0

    # ---- to the workers ----

    def connect(self, event: dict[str, Any]) -> None:
        """Publishes the connect event."""
        self._since_s = perf_counter()
        self._publish(CONNECT, self.flow.connect(event))

    def _publish(self, channel: ChannelName, events: list[Any]) -> None:
        # What Entry(...) and Publication(...) do, without their constructors in Python.
        entry = _tuple(Entry, (channel, self.reply, self.path, self.flow.in_flight, events, None))
        publication = _tuple(Publication, (channel, encode_entry(entry), self, channel is DISCONNECT))
        self._tenure.publisher.add(publication)

    def _publish_next(self) -> None:
        if self.flow.in_flight >= 0:
            return
        events = self.flow.take()
        if events is None:
            if self.flow.ended:
                self._tenure.forget(self.id)
        elif self.flow.disconnecting:
            self._publish(DISCONNECT, events)
        else:
            self._since_s = self._waits_s
            self._publish(RECEIVE, events)

    def refused(self) -> bool:
        """The channel is full. A handshake gives up; of an open socket nothing more is read until there is room."""
        self._tenure.metrics.refusals.value += 1
        if self.state is CONNECTING:
            # Nobody has heard of it, so nobody must hear that it is gone.
            self.publication = None
            self._out = None
            self._tenure.forget(self.id)
            self.abandon(503, "the server is busy")
            self._enter(CLOSED)
            return False
        self.hold(HOLD_REFUSED)
        return True

    # ---- from the workers: `Recipient` ----

    def released(self, seq: int, payloads: Sequence[Any], now_s: float) -> None:
        """The entry in flight is done: writes what the handler sent, then publishes what waits.

        Args:
            seq: number of the entry's first event; any other is a replay and dropped.
            payloads: what the handler sent; of the connect entry the first is the verdict.
            now_s: `time.perf_counter` of this batch.
        """
        flow = self.flow
        if not flow.release(seq):
            self._tenure.drop("replay")
            return
        self.publication = None
        self._tenure.metrics.release_seconds.observe(now_s - self._since_s)
        if self._held & HOLD_REFUSED:
            self.let_go(HOLD_REFUSED)
        tail = b""
        if seq == 0:
            decided = self._decided(payloads[0] if payloads else None)
            if decided is None:
                return
            tail = decided
            payloads = payloads[1:]
        for payload in payloads:
            self.send(payload)
        self._publish_next()
        if tail and self._transport is not None:
            self.data_received(tail)
        if self._held & HOLD_FULL and flow.low:
            self.let_go(HOLD_FULL)

    def sent(self, seq: int, payload: Any) -> None:
        """Somebody sends a payload; one with a number that is not in flight is a replay and dropped."""
        if 0 <= seq != self.flow.in_flight:
            self._tenure.drop("replay")
            return
        self.send(payload)

    def send(self, payload: Any) -> None:
        """Sends a text frame, a binary frame, or what a map says."""
        kind = type(payload)
        if kind is str or kind is bytes:
            self.write(frames.deflated(payload) if self.deflates else frames.message(payload))
        else:
            self._send_map(payload)

    def deliver(self, framed: Framed) -> None:
        """Sends what is encoded once for a whole group."""
        if type(framed.payload) is dict:
            self._send_map(framed.payload)
        else:
            self.write(framed.deflated() if self.deflates else framed.plain())

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

    def _send_map(self, payload: dict[str, Any]) -> None:
        known = False
        for key, kind in (("text", str), ("bytes", bytes)):
            value = payload.get(key)
            if type(value) is kind:
                known = True
                self.send(value)
        wish = payload.get("close")
        if wish is not None and wish is not False:
            known = True
            code = frames.NORMAL if wish is True else wish
            reason = payload.get("reason", "")
            if not frames.may_be_sent(code) or type(reason) is not str:
                self._tenure.drop("bad_payload")
                code, reason = frames.INTERNAL_ERROR, ""
            self.close(code, reason)
        if not known and "close" not in payload and "accept" not in payload:
            self._tenure.drop("bad_payload")

    # ---- handshake ----

    def _decided(self, verdict: Any) -> bytes | None:
        """The connect handler's verdict is here. Gives what the client sent behind its handshake, None if there is no
        open connection now."""
        handshake, self._handshake = self._handshake, None
        if type(verdict) is dict and verdict.get("accept") is True:
            tail = handshake.accept(verdict, self) if handshake is not None else None
            if tail is None:
                # The client left meanwhile, or was answered already. Whoever accepted it must hear that it is gone.
                self._out = None
                self._end()
            return tail
        self._enter(CLOSED)
        self._out = None
        self._tenure.left(self)
        self._tenure.forget(self.id)
        if handshake is not None:
            status = verdict.get("status", 403) if type(verdict) is dict else 500
            refusal = status if type(status) is int and 400 <= status <= 599 else 500
            handshake.refuse(refusal, "refused by the application")
        return None

    def abandon(self, status: int, text: str) -> None:
        """Answers a handshake that nobody will decide, or not in time. Its connect event stays on its way: if it is
        accepted after all, a disconnect follows."""
        handshake, self._handshake = self._handshake, None
        self._out = None
        if handshake is not None:
            handshake.refuse(status, text)

    def client_left(self) -> None:
        """The client has gone before the verdict; as `abandon`, with nobody to answer. Once open, nothing happens."""
        if self.state is CONNECTING:
            self._handshake = None
            self._out = None

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
        flow = self.flow
        try:
            while (message := reader.next()) is not None:
                kind = type(message)
                if (kind is str or kind is bytes) and self.state is OPEN:
                    self._tenure.metrics.messages_in.value += 1
                    events = flow.push(message, reader.size)  # type: ignore[arg-type]
                    if events is not None:
                        self._since_s = perf_counter()
                        self._publish(RECEIVE, events)
                        continue
                    if flow.waiting == 1:
                        self._waits_s = perf_counter()
                    if flow.full:
                        self.hold(HOLD_FULL)
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
        self._end()
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
        self._tenure.left(self)
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
        self._end()

    def _end(self) -> None:
        """Nothing is read or written any more: leaves the groups and says the disconnect, once."""
        if self.flow.ended:
            return
        self._enter(CLOSED)
        self._tenure.metrics.closes.get(str(self._code)).value += 1
        self._tenure.left(self)
        events = self.flow.end({"code": self._code, "reason": self._reason})
        if events is not None:
            self._publish(DISCONNECT, events)

    def due(self, now: int) -> int:
        """The wheel looks at it: ping, cut off, or wait on."""
        tenure = self._tenure
        transport = self._transport
        if transport is None:
            return 0
        if self.state is not OPEN:
            transport.abort()
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
        if self.state is OPEN:
            transport = self._transport
            if (
                not self._held
                and transport is not None
                and transport.is_reading()
                and not transport.is_closing()
            ):
                transport.pause_reading()
            self._held |= reason

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
        if (
            not self._held
            and transport is not None
            and not transport.is_reading()
            and not transport.is_closing()
        ):
            transport.resume_reading()

    def _enter(self, state: State) -> None:
        """The one place where the state changes."""
        self.state = state
        if log.isEnabledFor(logging.DEBUG):
            log.debug("connection=%s path=%s is %s", self.id, self.path, state.value)
