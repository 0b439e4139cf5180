"""Groups that become known on every shard before the event that joined them is released.

A commit writes this interface server into the group on its own shard. Handlers of connections that live on other shards
send there: so when the first member of a group joins, this interface server enters it on all others too, and what is
for the member waits meanwhile. Its handler's replies tell the client that it has joined; from then on no send may miss
it. Nothing else waits: not the mailbox, and not the members of groups that are known everywhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from trunkline.protocol.names import GroupName

from .connection import Connection
from .frames import Framed
from .states import OPEN

if TYPE_CHECKING:
    from .tenure import Tenure

log = logging.getLogger(__name__)

_OF_A_MAP = 200
"""Bytes that a payload which is a map counts, about: it is not encoded yet."""


class WaitingConnection(Connection):
    """A connection while it waits. `Joins` makes a connection one of these, and of these a connection again: so those
    that wait for nothing, all but a few, pay nothing for it."""

    __slots__ = ()

    def released(self, seq: int, payloads: Sequence[Any], now_s: float) -> None:
        """See `Connection.released`."""
        self._wait(partial(Connection.released, self, seq, payloads, now_s), 0)

    def sent(self, seq: int, payload: Any) -> None:
        """See `Connection.sent`."""
        self._wait(partial(Connection.sent, self, seq, payload), _size(payload))

    def send(self, payload: Any) -> None:
        """See `Connection.send`."""
        self._wait(partial(Connection.send, self, payload), _size(payload))

    def deliver(self, framed: Framed) -> None:
        """See `Connection.deliver`."""
        self._wait(partial(Connection.deliver, self, framed), len(framed.plain()))

    def _wait(self, call: Callable[[], None], size: int) -> None:
        joins = self._tenure.joins
        assert joins is not None, "made this connection wait"
        joins.keep(self, call, size)


class _Waiting:
    """What waits for one connection."""

    __slots__ = ("calls", "groups", "size")

    def __init__(self) -> None:
        self.groups: set[GroupName] = set()
        self.calls: list[Callable[[], None]] = []
        self.size = 0


class Joins:
    """The groups that not every shard knows yet, and who waits for them.

    Args:
        tenure: whose.
    """

    __slots__ = ("_asked", "_number", "_tenure", "_waiting")

    def __init__(self, tenure: Tenure) -> None:
        self._tenure = tenure
        self._asked: dict[GroupName, set[int]] = {}  # shards that have not answered
        self._waiting: dict[Connection, _Waiting] = {}
        self._number = 0

    def joined(self, group: GroupName, member: Connection) -> None:
        """A member has joined: what is for it waits, unless every shard knows the group."""
        groups, shards = self._tenure.groups, self._tenure.shards
        for shard in groups.unknown_on(group):
            self._number += 1
            token = f"0-{self._number}"
            groups.enter(group, shard, token)
            self._asked.setdefault(group, set()).add(shard)
            shards[shard].layer.join_group(group, token, partial(self._answered, group, shard))
        if group in self._asked:
            waiting = self._waiting.get(member)
            if waiting is None:
                waiting = self._waiting[member] = _Waiting()
                member.__class__ = WaitingConnection
            waiting.groups.add(group)

    def _answered(self, group: GroupName, shard: int) -> None:
        asked = self._asked.get(group)
        if asked is not None:
            asked.discard(shard)
            if not asked:
                self.over(group)

    def over(self, group: GroupName) -> None:
        """Nobody waits for a group any more: it is known everywhere, or left. Does nothing for others."""
        if self._asked.pop(group, None) is None:
            return
        for member, waiting in list(self._waiting.items()):
            waiting.groups.discard(group)
            if not waiting.groups:
                self.forget(member)

    def forget(self, member: Connection) -> None:
        """A connection waits no longer: what waited is carried out in its order."""
        waiting = self._waiting.pop(member, None)
        if waiting is not None:
            member.__class__ = Connection
            for call in waiting.calls:
                try:
                    call()
                except Exception:
                    # As in `mailbox`: a fault with one operation must not take the others with it.
                    self._tenure.drop("fault")
                    log.exception("an operation that waited for a group failed connection=%s", member.id)

    def keep(self, member: Connection, call: Callable[[], None], size: int) -> None:
        """Keeps what is for a connection. If it is more than may be unsent, because a shard is away for long, the
        connection is closed, or its handshake refused."""
        waiting = self._waiting[member]
        waiting.size += size
        if size and waiting.size > self._tenure.settings.outbound_bytes:
            self._tenure.drop("joining")
            if member.state is OPEN:
                member.too_slow()
            else:
                member.abandon(503, "a part of the server does not answer")
            return
        waiting.calls.append(call)


def _size(payload: Any) -> int:
    return len(payload) if isinstance(payload, str | bytes) else _OF_A_MAP
