"""Effects, names and a look at what is left, as the contract suite needs them."""

from __future__ import annotations

from tests.protocol.layer_harness import Cluster
from trunkline.protocol import codec
from trunkline.protocol.messages import (
    DeadLetter,
    DeadLetterRecord,
    Entry,
    GroupSend,
    Register,
    SessionWrite,
)
from trunkline.protocol.names import (
    DISCONNECT,
    ChannelName,
    ConnectionId,
    GroupName,
    InterfaceId,
    reply_name,
)

JOBS = ChannelName("jobs")
OTHER = ChannelName("other")
ROOM = GroupName("room")
GARBAGE = [b"", b"\x00", b"\xc1", b"\x01\xc1 not msgpack", b"\xff" * 5000, b"a b\r\nc\x00d \n"]


def session_write(interface: InterfaceId, connection: str, value: bytes) -> SessionWrite:
    """A session as bytes of a test's own."""
    return SessionWrite(interface, ConnectionId(connection), value)


def disconnect_of(interface: InterfaceId, connection: str) -> bytes:
    """The disconnect that the reaper would publish."""
    reply = reply_name(interface, ConnectionId(connection))
    return codec.encode_entry(Entry(DISCONNECT, reply, "/", 2**31 - 1, [{"code": 1006, "reason": ""}]))


def register(interface: InterfaceId, connection: str) -> Register:
    """The registration of an accepted connection."""
    return Register(interface, ConnectionId(connection), disconnect_of(interface, connection))


def group_send(text: str) -> GroupSend:
    """A text frame for `ROOM`."""
    return GroupSend(ROOM, codec.encode_group_send(ROOM, text))


def dead(channel: ChannelName, message: bytes, reason: str = "error") -> DeadLetter:
    """A dead letter around a message."""
    record = DeadLetterRecord(
        "", reason, channel, message, "route", "ValueError: no", "Traceback", 1, "w1", b"session", 1.5
    )
    return DeadLetter(codec.encode_dead_letter(record))


async def nothing_more(cluster: Cluster, channel: ChannelName, pending: int = 0) -> None:
    """The channel holds no entry but those that are delivered and not committed."""
    (stats,) = [stats for stats in (await cluster.operator.stats()).channels if stats.channel == channel]
    assert (stats.length, stats.pending) == (pending, pending)
