"""One open WebSocket as the protocol of its transport: its opening, the closing handshake, the heartbeat. Its two
halves are `inbound` and `outbound`.

It knows nothing of messages and workers; `connection` does. There is no task, no timer and no stream behind it: what is
read is parsed in the call that read it, what is sent is bytes written to the transport.
"""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from trunkline.protocol.names import ConnectionId

from . import frames, heartbeat
from .backlog import Policy
from .outbound import Outbound
from .reader import Close, FrameError, FrameReader
from .states import CLOSING, CONNECTING, HOLD_AWAY, OPEN, State

if TYPE_CHECKING:
    from .tenure import Tenure

log = logging.getLogger(__name__)


class WebSocket(Outbound):
    """A WebSocket from its handshake to its end.

    Args:
        connection: its id.
        path: of its handshake.
        tenure: what it shares with all others.
        deflates: permessage-deflate was agreed on.
        address: what it is counted under at the limits of addresses; empty for nothing.

    Attributes:
        put: writes a frame, set while it is open and frames of text go to its transport as they are; None otherwise.
            Who calls it by itself asks for the type too: a `joins.WaitingConnection` keeps what comes for it.
        shard: where it lives.
        slot: place in the wheel.
    """

    __slots__ = ("_code", "_reason", "address", "deflates", "id", "path", "put", "shard", "slot")

    def __init__(
        self, connection: ConnectionId, path: str, tenure: Tenure, deflates: bool, address: str = ""
    ) -> None:
        super().__init__(tenure)
        self.id = connection
        self.shard = tenure.home(connection)
        self.path = path
        self.put: Callable[[bytes], None] | None = None
        self.deflates = deflates
        self.address = address
        self.slot = heartbeat.UNSCHEDULED
        self._code = frames.ABNORMAL
        self._reason = ""

    # ---- what a connection does about it ----

    @abstractmethod
    def unreachable(self) -> None:
        """Nothing can be sent any more, though the client may still answer our close."""

    @abstractmethod
    def ended(self) -> None:
        """Nothing is read or written any more. May be called again."""

    # ---- the begin ----

    def opened(self, transport: asyncio.Transport, policy: Policy = Policy.CLOSE) -> None:
        """The upgrade is written and this is the transport's protocol now: writes what came early."""
        tenure = self._tenure
        self._transport = transport
        self._reader = FrameReader(tenure.settings.max_message_bytes, self.deflates)
        self.limit_unsent(transport, policy)
        self._enter(OPEN)
        tenure.sockets.count += 1
        if self.address:
            tenure.addresses.enter(self.address)
        self.heard = tenure.wheel.now
        tenure.wheel.put(self, tenure.rhythm.interval)
        self.flush()
        if not self.shard.up:
            self.hold(HOLD_AWAY)

    def _enter(self, state: State) -> None:
        """The one place where the state changes."""
        self.state = state
        transport = self._transport
        plain = state is OPEN and not self.deflates and self._backlog is None
        self.put = transport.write if plain and transport is not None else None
        if log.isEnabledFor(logging.DEBUG):
            log.debug("connection=%s path=%s is %s", self.id, self.path, state.value)

    # ---- the end ----

    def client_closes(self, message: Close) -> None:
        """The client's close frame came: answers it, unless it is the answer to ours."""
        if self.state is OPEN:
            self.say_all()
        transport = self._transport
        # What waited may have been more than the client reads: then our close frame is on its way, and one is enough.
        if self.state is OPEN and transport is not None:
            transport.write(frames.close(message.code))
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

    def fail(self, error: FrameError) -> None:
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
        if self.state is OPEN:
            self.say_all()
        transport = self._transport
        # What waited may have been more than the client reads: then it is closed for that already.
        if self.state is not OPEN or transport is None:
            return
        self._code, self._reason = code, reason
        transport.write(frames.close(code, reason))
        self._enter(CLOSING)
        self.unreachable()
        self._tenure.wheel.put(self, self._tenure.rhythm.close)
        if self.held:
            # Its answer must be read, whatever else waits.
            self.held = 0
            self._resume()

    def too_slow(self) -> None:
        """More is unsent than the bound allows: closes it with 1013."""
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
        self._backlog = None
        tenure.sockets.count -= 1
        if self.address:
            tenure.addresses.leave(self.address)
        tenure.wheel.remove(self)
        self.ended()

    def cut(self) -> None:
        """Ends the socket at once, without a word."""
        if self._transport is not None:
            self._transport.abort()

    # ---- the heartbeat ----

    def due(self, now: int) -> int:
        """The wheel looks at it: ping, cut off, or wait on."""
        tenure = self._tenure
        transport = self._transport
        if self.state is not OPEN or transport is None:
            self.cut()
            return 0
        if self.held:
            # We do not read, so hearing nothing says nothing.
            self.heard = now
        ticks = tenure.rhythm.decide(self.heard, now)
        if ticks == heartbeat.PING:
            self.heard = heartbeat.SILENT
            self._asked = True
            transport.write(frames.PING_FRAME)
            return tenure.rhythm.timeout
        if ticks == heartbeat.ABORT:
            log.debug("no life sign, cutting off connection=%s", self.id)
            transport.abort()
            return 0
        return ticks
