"""The types that cross the seam between the tiers. All frozen, none does I/O; `codec` turns them into bytes.

`NamedTuple` and not dataclass: one is made for every event, and a named tuple costs a third of a frozen dataclass.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from .names import ChannelName, ConnectionId, GroupName, InterfaceId, ReplyName

Content = dict[str, Any]
"""What a handler sees and sends: str keys, msgpack values."""

Payload = str | bytes | Content
"""What goes to a connection: a text frame, a binary frame, or anything else as a map."""

MAX_EVENTS_PER_ENTRY: Final = 32

LAST_SEQ: Final = 2**31 - 1
"""Number of the disconnect that the reaper publishes: behind every number a connection can reach."""


class Entry(NamedTuple):
    """1 to 32 consecutive events of one connection on one channel, or one message of a background channel.

    Attributes:
        channel: whose stream it is published on.
        reply: reply channel of the connection, None for a background message without one.
        path: path of the connection's handshake, None on background channels.
        seq: number of the first event within its connection: connect is 0, then each frame, the disconnect is last.
        events: text and binary frames as `str` and `bytes` on `websocket.receive`, a `Content` elsewhere.
        id: idempotency key of a background message; None where reply and seq say as much.
        tries: how often it has failed before it was set aside (see `SetAside`); such an entry has one event and an id.
    """

    channel: ChannelName
    reply: ReplyName | None
    path: str | None
    seq: int
    events: list[Any]
    id: str | None = None
    tries: int = 0


class Delivery(NamedTuple):
    """An entry as a worker takes it from the layer, not decoded yet.

    Attributes:
        channel: where it came from.
        id: the stream's id for it, the handle for the commit.
        body: encoded `Entry`.
        attempt: 1, and one more for every worker that died or vanished with it.
        queued_ms: how long it stood in the stream before this delivery, in milliseconds of Redis' clock.
        died: workers known to have died or ended with it, oldest first; not all if a delivery was lost.
        shard: where its stream is.
    """

    channel: ChannelName
    id: str
    body: bytes
    attempt: int
    queued_ms: float
    died: tuple[str, ...] = ()
    shard: int = 0


# ---- effects: what a commit applies if, and only if, the acknowledgement of its entry counts ----


class Post(NamedTuple):
    """Append encoded mailbox operations (see `codec`) to an interface's mailbox. Lost if that interface is gone."""

    interface: InterfaceId
    chunk: bytes


class GroupAdd(NamedTuple):
    """Write the interface into the group and post ``chunk``, the add itself, to its mailbox."""

    group: GroupName
    interface: InterfaceId
    chunk: bytes


class GroupSend(NamedTuple):
    """Append ``chunk`` to the mailbox of every interface that has members."""

    group: GroupName
    chunk: bytes


class SessionWrite(NamedTuple):
    """Store a channel session; an empty value deletes it."""

    interface: InterfaceId
    connection: ConnectionId
    value: bytes


class ChannelSend(NamedTuple):
    """Publish an encoded entry on a channel, at once or ``delay_ms`` later."""

    channel: ChannelName
    body: bytes
    delay_ms: int = 0


class SetAside(NamedTuple):
    """Publish a message that failed again ``delay_ms`` later. Where it would wait has no room: keep ``letter``, the
    encoded dead letter that tells why it failed."""

    channel: ChannelName
    body: bytes
    delay_ms: int
    letter: bytes


class Register(NamedTuple):
    """The connection is accepted: ``disconnect`` is the encoded entry to publish should its interface die."""

    interface: InterfaceId
    connection: ConnectionId
    disconnect: bytes


class Unregister(NamedTuple):
    """The connection's disconnect has been handled: forget it and its session."""

    interface: InterfaceId
    connection: ConnectionId


class DeadLetter(NamedTuple):
    """Keep an encoded dead letter."""

    body: bytes


Effect = (
    Post | GroupAdd | GroupSend | SessionWrite | ChannelSend | SetAside | Register | Unregister | DeadLetter
)


class Outcome(NamedTuple):
    """A handled entry: acknowledge it and, only if that counts, apply its effects in their order."""

    delivery: Delivery
    effects: list[Effect]


class LeaseInfo(NamedTuple):
    """What a process tells about itself with its lease.

    Attributes:
        id: interface or worker id.
        role: ``interface`` or ``worker``.
        host: host name.
        pid: process id on that host.
        admin: ``host:port`` of its admin server, empty without one.
        version: of Trunkline.
        started_s: Unix time of its start.
        detail: what else a person wants to see (address, routing module).
        code: version of the application's code that it runs; empty if it runs none or does not know.
        track: that a worker serves; empty for the main one.
    """

    id: str
    role: str
    host: str
    pid: int
    admin: str
    version: str
    started_s: float
    detail: str = ""
    code: str = ""
    track: str = ""


class ChannelStats(NamedTuple):
    """How much of a channel waits.

    Attributes:
        channel: its name.
        length: entries in the stream, delivered or not.
        pending: of these, delivered and not yet committed.
        oldest_s: age of the oldest entry still there in seconds of Redis' clock, 0 if there is none.
    """

    channel: ChannelName
    length: int
    pending: int
    oldest_s: float


class ServerStats(NamedTuple):
    """One Redis, as it tells of itself.

    Attributes:
        shard: number of the shard that it holds.
        memory_bytes: memory that it uses.
        memory_limit_bytes: its maxmemory; 0 for none.
        cpu_s: CPU seconds that it has used.
        commands: calls that it has processed.
        clients: connections to it.
        append_failing: it keeps an append-only file, and its last write to it failed.
    """

    shard: str
    memory_bytes: int
    memory_limit_bytes: int
    cpu_s: float
    commands: int
    clients: int
    append_failing: bool


class ClusterStats(NamedTuple):
    """The cluster as the layer sees it at one moment.

    Attributes:
        channels: of every channel how much waits.
        interfaces: the interface servers with a lease.
        workers: the workers with a lease.
        dead_letters: how many are kept.
        mailbox_lengths: entries in each interface server's mailbox.
        delayed: messages that wait for their time: sent with a delay, or set aside to be tried again.
        dead_trimmed: dead letters that made room for newer ones, ever.
        delayed_ever: messages that were made to wait for their time, ever.
        servers: what carries the messages; none in memory.
        skew_s: how far the clock of whoever asked is ahead of the layer's, beyond what the asking took.
        shards: of several shards, each that answers by itself; empty where there is one.
        away: shards that do not answer, each with the reason; nothing of theirs is in the other figures.
    """

    channels: list[ChannelStats]
    interfaces: list[LeaseInfo]
    workers: list[LeaseInfo]
    dead_letters: int
    mailbox_lengths: dict[InterfaceId, int]
    delayed: int = 0
    dead_trimmed: int = 0
    delayed_ever: int = 0
    servers: tuple[ServerStats, ...] = ()
    skew_s: float = 0.0
    shards: Mapping[int, ClusterStats] = MappingProxyType({})
    away: Mapping[int, str] = MappingProxyType({})

    @property
    def by_shard(self) -> Mapping[int, ClusterStats]:
        """The figures of each shard that answers; the only one is shard 0."""
        return self.shards or {0: self}


class DeadLetterRecord(NamedTuple):
    """One dead letter as it is stored.

    Attributes:
        id: its id in the store.
        reason: ``error``, ``timeout``, ``poison``, ``garbage``, ``unrouted``; ``retries``: its handler has asked to be
            called again (``raise Retry``) more often than it may; ``delayed_full``: it failed and there was no room to
            set it aside; ``channel_full``: the channel, or the store of delayed messages, had no room for the message;
            ``effect_failed``: Redis could not apply an effect or publish a delayed message, ``error``
            says why and ``body`` is what it carried; ``unreadable``: the letter itself cannot be read, and ``body`` is
            all of it.
        channel: the channel of the message; empty if an effect that failed was no message.
        body: the encoded entry, byte for byte as it was read.
        route: the route that was tried, empty if none.
        error: ``Type: text`` of the exception.
        traceback: as text.
        attempt: how often its entry was delivered: once, and once more for every worker that died with it.
        worker: who tried last; of ``poison`` and ``garbage``, who put it away.
        session: the channel session before the handler ran, encoded; empty if there was none or nobody read it.
        time_s: Unix time.
        tries: how often the handler ran in the last delivery (see `retry`); 0 if it did not, or died unseen.
        code: version of the application's code in that worker, empty if unknown.
    """

    id: str
    reason: str
    channel: ChannelName
    body: bytes
    route: str
    error: str
    traceback: str
    attempt: int
    worker: str
    session: bytes
    time_s: float
    tries: int = 0
    code: str = ""
