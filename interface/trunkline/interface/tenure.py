"""All that one lease holds: the connections, groups and publications of an interface id, until it is fenced or retires.

The layer's receiver. After fencing the server makes another, with a new id and nothing in it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from trunkline.protocol.codec import encode_entry
from trunkline.protocol.layer import Holdings, InterfaceLayer, Publication
from trunkline.protocol.messages import LAST_SEQ, Entry
from trunkline.protocol.names import (
    DISCONNECT,
    ChannelName,
    ConnectionId,
    InterfaceId,
    ReplyName,
    new_connection_id,
    new_interface_id,
    reply_name,
)
from trunkline.protocol.process.logs import RateLimited
from trunkline.protocol.tracks import Share, registered

from .connection import Connection
from .flow import Bound
from .frames import ABNORMAL, SERVICE_RESTART
from .groups import Groups
from .mailbox import dispatch
from .outbound import Outbound
from .publisher import Publisher
from .recipient import Recipient
from .shared import Shared
from .states import CONNECTING, HOLD_AWAY, HOLD_BUSY, OPEN

_warnings = RateLimited(logging.getLogger(__name__))


class Tenure:
    """An interface id with all it holds; an `InterfaceReceiver`.

    Args:
        shared: what outlives it.
        layer: not opened yet.
        on_fenced: told when this interface was declared dead.

    Attributes:
        id: the interface id.
        recipients: connections, requests and trips by connection id, until their last release.
        joining: connections whose writes of the present mailbox batch are collected; None outside a batch of several.
        up: the layer answers.
        busy: sockets are read in turns (`Admission.busy`, where hot code finds it quickly).
        turns: connections without an entry under way that wait for their turn to be read, in order.
    """

    __slots__ = (
        "_emptied",
        "_mail",
        "_on_fenced",
        "addresses",
        "admission",
        "bound",
        "busy",
        "groups",
        "id",
        "joining",
        "layer",
        "loop",
        "message_rate",
        "metrics",
        "policy",
        "publisher",
        "recipients",
        "rhythm",
        "settings",
        "sockets",
        "tracks",
        "turned_away",
        "turns",
        "up",
        "wheel",
    )

    def __init__(self, shared: Shared, layer: InterfaceLayer, on_fenced: Callable[[Tenure], None]) -> None:
        self.settings = shared.settings
        self.metrics = shared.metrics
        self.wheel = shared.wheel
        self.rhythm = shared.rhythm
        self.sockets = shared.sockets
        self.bound: Bound = shared.bound
        self.addresses = shared.addresses
        self.admission = shared.admission
        self.message_rate = shared.message_rate
        self.policy = shared.policy
        self.loop = shared.loop
        self.layer = layer
        self.id: InterfaceId = new_interface_id()
        self.turned_away = shared.turned_away
        self.recipients: dict[ConnectionId, Recipient] = {}
        self.tracks = shared.tracks
        self.groups: Groups[Connection] = Groups(shared.settings.groups_per_connection)
        self.publisher = Publisher(layer, shared.loop, shared.settings.linger_ms / 1000)
        self.joining: list[Outbound] | None = None
        self.up = False
        self.busy = shared.admission.busy
        self.turns: dict[Connection, None] = {}
        self._emptied: asyncio.Event | None = None
        self._mail: tuple[str, float] | None = None
        self._on_fenced = on_fenced

    # ---- for recipients ----

    def new_id(self) -> tuple[ConnectionId, ReplyName]:
        """A fresh connection id and its reply channel."""
        connection = new_connection_id()
        return connection, reply_name(self.id, connection)

    def forget(self, connection: ConnectionId) -> None:
        """The last release of this recipient has come."""
        self.recipients.pop(connection, None)
        if self._emptied is not None and not self.recipients:
            self._emptied.set()

    def left(self, connection: Connection) -> None:
        """Nothing can be sent to this connection any more: takes it out of its groups. Idempotent."""
        self.turns.pop(connection, None)
        for group, token in self.groups.drop(connection):
            if not self.publisher.closed:
                self.layer.leave_group(group, token)

    def drop(self, reason: str, count: int = 1) -> None:
        """Counts something that is thrown away, and says so at a bounded rate."""
        self.metrics.drops.get(reason).value += count
        _warnings.warning(reason, "dropped reason=%s interface=%s", reason, self.id)

    def give_turns(self, number: int) -> None:
        """Lets so many connections be read that wait for their turn, in their order."""
        turns = self.turns
        for connection in list(islice(turns, number)):
            del turns[connection]
            connection.let_go(HOLD_BUSY)

    def warn(self, key: str, text: str, *args: object) -> None:
        """Logs at a bounded rate."""
        _warnings.warning(key, text, *args)

    # ---- `InterfaceReceiver` ----

    def mailbox(self, operations: list[list[Any]], token: str) -> None:
        """Operations have arrived."""
        self._mail = (token, time.time())
        dispatch(self, operations, token)

    def refused(self, publications: Sequence[Publication]) -> None:
        """Channels are full."""
        self.publisher.refused(publications)

    def away(self) -> None:
        """The layer does not answer: no socket is read and nobody new is let in."""
        self.up = False
        _warnings.warning("away", "the channel layer does not answer interface=%s", self.id)
        for connection in self.connections():
            connection.hold(HOLD_AWAY)

    def back(self) -> None:
        """The layer answers again."""
        self.up = True
        for connection in self.connections():
            connection.let_go(HOLD_AWAY)

    def fenced(self) -> None:
        """This interface was declared dead."""
        if not self.publisher.closed:
            self.metrics.fenced.value += 1
            self._on_fenced(self)

    def holdings(self) -> Holdings:
        """Each accepted connection and each group with members.

        Not a connection whose disconnect is on its way: Redis may know it already and have forgotten the connection,
        whom nothing would take out of the registry again but its reaper, with a second disconnect. If it was lost,
        `republish` brings it back, for it is held like any event.
        """
        lost: list[Any] = [{"code": ABNORMAL, "reason": ""}]
        connections = {
            connection.id: registered(
                encode_entry(Entry(DISCONNECT, connection.reply, connection.path, LAST_SEQ, lost)),
                connection.track.name,
            )
            for connection in self.connections()
            if connection.state is not CONNECTING and not connection.flow.disconnecting
        }
        return Holdings(connections, self.groups.tokens())

    def republish(self, after: int, up_to: int, channel: ChannelName | None = None) -> None:
        """Publishes again what these batches held, all or for one channel, and no release has come for."""
        count = self.publisher.republish(list(self.recipients.values()), after, up_to, channel)
        self.metrics.republished.value += count

    def share_out(self, shares: Sequence[Share], now_ms: int) -> None:
        """What each track gets."""
        self.tracks.update(shares, now_ms)

    # ---- for the server ----

    def connections(self) -> list[Connection]:
        """Every WebSocket, in whatever state, whose disconnect is not released."""
        return [recipient for recipient in self.recipients.values() if isinstance(recipient, Connection)]

    def open_connections(self) -> list[Connection]:
        """The WebSockets that are open."""
        return [connection for connection in self.connections() if connection.state is OPEN]

    async def emptied(self) -> None:
        """Waits until the last release of every recipient has come. Cancelling it only ends the waiting."""
        self._emptied = asyncio.Event()
        if self.recipients:
            await self._emptied.wait()

    def mailbox_lag_s(self) -> float:
        """Age of the newest mailbox entry when it arrived, by its id (milliseconds of Redis' clock); 0 if its id does
        not say."""
        if self._mail is None:
            return 0.0
        token, arrived_s = self._mail
        stamp = token.partition("-")[0]
        # A counter of the in-memory layer is no time.
        if not stamp.isdecimal() or len(stamp) < 13:
            return 0.0
        return max(0.0, arrived_s - int(stamp) / 1000)

    def end(self) -> None:
        """Fenced or drained: publishes nothing any more, answers who waits with 503, closes sockets with 1012."""
        self.up = False
        self.publisher.close()
        for recipient in list(self.recipients.values()):
            recipient.abandon(503, "the server starts over")
            if isinstance(recipient, Connection) and recipient.state is not CONNECTING:
                recipient.close(SERVICE_RESTART, "the server starts over")
        self.recipients.clear()
        self.turns.clear()
        if self._emptied is not None:
            self._emptied.set()
