"""One connection: a WebSocket and its messages, from the connect event to the release of the disconnect.

aiohttp reads the handshake. Once a worker accepts it, the transport is taken from aiohttp and given to this protocol;
what is read is published in the call that read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from trunkline.protocol.codec import encode_entry
from trunkline.protocol.layer import Publication
from trunkline.protocol.marks import TraceContext
from trunkline.protocol.messages import MAX_EVENTS_PER_ENTRY, Entry
from trunkline.protocol.names import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    ChannelName,
    ConnectionId,
    ReplyName,
)
from trunkline.protocol.text_entry import entry_start, text_entry

from . import frames
from .flow import Flow
from .frames import Framed
from .lone_text import HEADER_BYTES, lone_text
from .payloads import read_map
from .states import CLOSED, CONNECTING, HOLD_BUSY, HOLD_FULL, HOLD_REFUSED, OPEN
from .websocket import WebSocket

if TYPE_CHECKING:
    from .handshake import Handshake
    from .tenure import Tenure

_tuple = tuple.__new__


class Connection(WebSocket):
    """A WebSocket connection, and an `Owner` of publications and a `Recipient` of mailbox operations.

    Args:
        connection: its id.
        reply: its reply channel.
        path: path of its handshake.
        tenure: what it shares with all others.
        handshake: who is told the verdict.
        deflates: permessage-deflate was agreed on.
        address: what it is counted under at the limits of addresses; empty for nothing.

    Attributes:
        publication: entry in flight.
        batch: number of the batch that entry left with.
        flow: what of its events may leave.
        origin: the trace that its handshake came with, and its messages go on; None for none.
        reply: its reply channel.
        since_s: when the first event of the entry in flight came, by `time.perf_counter`.
        track: which workers get its events.
    """

    __slots__ = (
        "_handshake",
        "_start",
        "_waits_s",
        "batch",
        "flow",
        "origin",
        "publication",
        "reply",
        "since_s",
        "track",
    )

    def __init__(
        self,
        connection: ConnectionId,
        reply: ReplyName,
        path: str,
        tenure: Tenure,
        handshake: Handshake,
        deflates: bool,
        address: str = "",
    ) -> None:
        super().__init__(connection, path, tenure, deflates, address)
        self.reply = reply
        self.flow = Flow(tenure.bound)
        self.track = self.shard.tracks.pick()
        self.publication: Publication | None = None
        self.batch = 0
        self.origin: TraceContext | None = None
        self._handshake: Handshake | None = handshake
        self._start = b""  # of its entries of one text, once there is one
        self.since_s = 0.0
        self._waits_s = 0.0  # when the first of the events that wait came

    # ---- to the workers ----

    def connect(self, event: dict[str, Any]) -> None:
        """Publishes the connect event."""
        self.since_s = perf_counter()
        self._publish(CONNECT, self.track.connect, self.flow.connect(event))

    def _publish(
        self, channel: ChannelName, kept_in: ChannelName, events: list[Any], must: bool = False
    ) -> None:
        # What Entry(...) and Publication(...) do, without their constructors in Python.
        entry = _tuple(Entry, (channel, self.reply, self.path, self.flow.in_flight, events, None, 0))
        publication = _tuple(Publication, (kept_in, encode_entry(entry), self, must))
        self.shard.publisher.add(publication)

    def _publish_next(self) -> None:
        if self.flow.in_flight >= 0:
            return
        events = self.flow.take()
        if events is None:
            if self.flow.ended:
                self._tenure.forget(self.id)
        elif self.flow.disconnecting:
            self.since_s = perf_counter()
            self._publish(DISCONNECT, self.track.disconnect, events, must=True)
        else:
            self.since_s = self._waits_s
            self._publish(RECEIVE, self.track.receive, events)

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

    def data_received(self, data: bytes) -> None:
        """Bytes of the client. One short text by itself that can leave at once, which is nearly all of what comes, is
        published from here; everything else takes the long way, by `read`."""
        tenure, flow, reader = self._tenure, self.flow, self._reader
        if (
            reader is not None
            and HEADER_BYTES <= len(data) <= reader.lone_limit_bytes
            and not reader.rest
            and flow.in_flight < 0
            and flow.queue is None
            and self.state is OPEN
            and not self.held
            and tenure.message_rate is None
        ):
            text = lone_text(data)
            if text is not None:
                self.heard = tenure.wheel.now
                metrics = tenure.metrics
                metrics.bytes_in.value += len(data)
                metrics.messages_in.value += 1
                self.since_s = perf_counter()
                seq = flow.in_flight = flow.next  # as `Flow.push`, without its call and its list
                flow.next = seq + 1
                body = text_entry(self._start or self._begin(), seq, text)
                self.shard.publisher.add(_tuple(Publication, (self.track.receive, body, self, False)))
                if tenure.busy:
                    self.crowded()
                return
        self.read(data)

    def _begin(self) -> bytes:
        """Packs what all its entries begin with, for its first text."""
        self._start = entry_start(self.reply, self.path)
        return self._start

    def received(self, message: str | bytes, size: int) -> None:
        """A message came: publishes it, or lets it wait for the release of the entry in flight."""
        self._tenure.metrics.messages_in.value += 1
        flow = self.flow
        events = flow.push(message, size)
        if events is not None:
            self.since_s = perf_counter()
            self._publish(RECEIVE, self.track.receive, events)
            return
        if flow.waiting == 1:
            self._waits_s = perf_counter()
        # While workers cannot keep up no more is read than leaves with the next entry: what is behind waits twice.
        if flow.full or (self._tenure.busy and flow.waiting >= MAX_EVENTS_PER_ENTRY):
            self.hold(HOLD_FULL)

    def crowded(self) -> None:
        """A read is done while the workers cannot keep up: the next is at its turn, for which it waits from its release
        on."""
        if self.flow.in_flight >= 0:
            self.hold(HOLD_BUSY)

    def unreachable(self) -> None:
        """Nothing can be sent to it any more: leaves its groups."""
        self._tenure.left(self)

    def ended(self) -> None:
        """Nothing is read or written any more: leaves the groups and says the disconnect, once."""
        if self.flow.ended:
            return
        self._enter(CLOSED)
        self._tenure.metrics.closes.get(str(self._code)).value += 1
        self._tenure.left(self)
        events = self.flow.end({"code": self._code, "reason": self._reason})
        if events is not None:
            self.since_s = perf_counter()
            self._publish(DISCONNECT, self.track.disconnect, events, must=True)

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
        self._tenure.metrics.release_seconds.observe(now_s - self.since_s)
        if self.held & HOLD_REFUSED:
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
        if self.held:
            if self.held & HOLD_FULL and flow.low:
                self.let_go(HOLD_FULL)
            if self.held & HOLD_BUSY and flow.in_flight < 0 and self.state is OPEN:
                self._tenure.turns[self] = None

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
        self.write(framed.deflated() if self.deflates else framed.plain())

    def _send_map(self, payload: dict[str, Any]) -> None:
        said = read_map(payload)
        for _ in range(said.faults):
            self._tenure.drop("bad_payload")
        for data in said.frames:
            self.send(data)
        if said.close is not None:
            self.close(*said.close)

    def too_many_groups(self) -> None:
        """A handler wants it in one group more than it may be in: closes it, or refuses the handshake."""
        if self.state is OPEN or self._handshake is not None:
            self._tenure.turned_away("groups")
            self.close(frames.POLICY_VIOLATION, "in too many groups")

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
                self.ended()
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
        accepted after all, a disconnect follows. Once open, nothing happens."""
        if self.state is not CONNECTING:
            return
        handshake, self._handshake = self._handshake, None
        self._out = None
        if handshake is not None:
            handshake.refuse(status, text)

    def client_left(self) -> None:
        """The client has gone before the verdict; as `abandon`, with nobody to answer. Once open, nothing happens."""
        if self.state is CONNECTING and self._handshake is not None:
            self._tenure.metrics.handshakes.get("client_left").value += 1
            self._handshake = None
            self._out = None
