"""All that one lease holds: the connections, groups and publications of an interface id, until it is fenced or retires.

What comes from the layer comes by its shards (see `shard`). After fencing the server makes another, with a new id and
nothing in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import islice

from trunkline.protocol.layer import InterfaceLayer
from trunkline.protocol.names import (
    ConnectionId,
    InterfaceId,
    ReplyName,
    new_connection_id,
    new_interface_id,
    reply_name,
    shard_of,
)
from trunkline.protocol.process.logs import RateLimited

from .connection import Connection
from .flow import Bound
from .frames import SERVICE_RESTART
from .groups import Groups, Leave
from .joins import Joins
from .outbound import Outbound
from .recipient import Recipient
from .shard import Shard, least
from .shared import Shared
from .states import CONNECTING, HOLD_BUSY, OPEN

_warnings = RateLimited(logging.getLogger(__name__))


class Tenure:
    """An interface id with all it holds.

    Args:
        shared: what outlives it.
        layers: one a shard, in the order of their numbers; not opened yet.
        on_fenced: told when this interface was declared dead.
        make_shard: makes each shard.

    Attributes:
        id: the interface id.
        shards: what it is on.
        joins: groups that not every shard knows yet; None if there is one shard.
        recipients: connections, requests and trips by connection id, until their last release.
        joining: connections whose writes of the present mailbox batch are collected; None outside a batch of several.
        busy: sockets are read in turns (`Admission.busy`, where hot code finds it quickly).
        ended: fenced or drained.
        turns: connections without an entry under way that wait for their turn to be read, in order.
    """

    __slots__ = (
        "_emptied",
        "_last_shard",
        "_on_fenced",
        "_shared",
        "addresses",
        "admission",
        "bound",
        "busy",
        "ended",
        "groups",
        "id",
        "joining",
        "joins",
        "loop",
        "message_rate",
        "metrics",
        "policy",
        "recipients",
        "rhythm",
        "settings",
        "shards",
        "sockets",
        "turned_away",
        "turns",
        "wheel",
    )

    def __init__(
        self,
        shared: Shared,
        layers: Sequence[InterfaceLayer],
        on_fenced: Callable[[Tenure], None],
        make_shard: Callable[[int, InterfaceLayer, Tenure], Shard] = Shard,
    ) -> None:
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
        self._shared = shared
        self.id: InterfaceId = new_interface_id()
        self.turned_away = shared.turned_away
        self.recipients: dict[ConnectionId, Recipient] = {}
        self.groups: Groups[Connection] = Groups(shared.settings.groups_per_connection, len(layers))
        self.shards = tuple(make_shard(number, layer, self) for number, layer in enumerate(layers))
        self.joins = Joins(self) if len(self.shards) > 1 else None
        self.joining: list[Outbound] | None = None
        self.busy = shared.admission.busy
        self.turns: dict[Connection, None] = {}
        self._emptied: asyncio.Event | None = None
        self.ended = False
        self._last_shard = 0
        self._on_fenced = on_fenced

    # ---- for recipients ----

    def new_id(self) -> tuple[ConnectionId, ReplyName]:
        """A fresh connection id and its reply channel, on the shard with the least load of those that answer."""
        shard = 0
        if len(self.shards) > 1:
            loads = [one.load if one.up else None for one in self.shards[: self._shared.shards_used]]
            # If none answers it does not matter: the caller has looked, and whoever comes now waits like the others.
            shard = self._last_shard = least(loads, self._last_shard) or 0
        connection = new_connection_id(shard)
        return connection, reply_name(self.id, connection)

    def home(self, connection: ConnectionId) -> Shard:
        """The shard on which a connection lives."""
        return self.shards[shard_of(connection)]

    def enter(self, connection: ConnectionId, recipient: Recipient) -> None:
        """Something may come for this recipient from now on."""
        self.recipients[connection] = recipient
        self.home(connection).load += 1

    def forget(self, connection: ConnectionId) -> None:
        """The last release of this recipient has come. Idempotent."""
        if self.recipients.pop(connection, None) is not None:
            self.home(connection).load -= 1
        if self._emptied is not None and not self.recipients:
            self._emptied.set()

    def left(self, connection: Connection) -> None:
        """Nothing can be sent to this connection any more: takes it out of its groups. Idempotent."""
        self.turns.pop(connection, None)
        self.leave(self.groups.drop(connection))
        if self.joins is not None:
            self.joins.forget(connection)

    def leave(self, leaves: Sequence[Leave]) -> None:
        """Takes this interface server out of groups in which nobody is left."""
        if self.ended:
            return
        for group, shard, token in leaves:
            self.shards[shard].layer.leave_group(group, token)
            if self.joins is not None:
                self.joins.over(group)

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

    def fenced(self, shard: Shard) -> None:
        """This interface was declared dead on a shard. So it ends on all of them: its reply channels must be nobody's
        where a worker may still send to them."""
        if self.ended:
            return
        self.metrics.fenced.value += 1
        for other in self.shards:
            if other is not shard:
                other.publisher.flush()
        self._on_fenced(self)

    # ---- for the server ----

    @property
    def up(self) -> bool:
        """Whether any shard answers that newcomers use."""
        return any(shard.up for shard in self.shards[: self._shared.shards_used])

    @property
    def away(self) -> list[int]:
        """The shards that do not answer."""
        return [shard.number for shard in self.shards if not shard.up]

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
        """Age of the newest mailbox entry when it arrived, on the shard where it was greatest."""
        return max(shard.mailbox_lag_s() for shard in self.shards)

    def end(self) -> None:
        """Fenced or drained: publishes nothing any more, answers who waits with 503, closes sockets with 1012."""
        self.ended = True
        for shard in self.shards:
            shard.up = False
            shard.publisher.close()
        for recipient in list(self.recipients.values()):
            recipient.abandon(503, "the server starts over")
            if isinstance(recipient, Connection) and recipient.state is not CONNECTING:
                recipient.close(SERVICE_RESTART, "the server starts over")
        self.recipients.clear()
        self.turns.clear()
        if self._emptied is not None:
            self._emptied.set()
