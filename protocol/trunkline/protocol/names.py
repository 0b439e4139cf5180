"""Names and keys: what channels, groups and ids look like, and every Redis key there is.

This is the one module that makes a Redis key. A key is ``<prefix>:{<shard>}:<kind>[:<name>]``; the shard is the
hash tag, so that all keys of a shard live in one slot of a Redis Cluster
(https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags). Names of users come last and
a prefix holds no brace, so nothing a user names can move a key to another slot or into another kind.
"""

from __future__ import annotations

import binascii
import re
import secrets
from collections.abc import Iterable
from typing import Final, NewType

from .errors import InvalidName

InterfaceId = NewType("InterfaceId", str)
WorkerId = NewType("WorkerId", str)
ConnectionId = NewType("ConnectionId", str)
ChannelName = NewType("ChannelName", str)
GroupName = NewType("GroupName", str)
ReplyName = NewType("ReplyName", str)
"""``reply.<interface>!<connection>``: the reply channel of one connection."""

CONNECT: Final = ChannelName("websocket.connect")
RECEIVE: Final = ChannelName("websocket.receive")
DISCONNECT: Final = ChannelName("websocket.disconnect")
REQUEST: Final = ChannelName("http.request")
TRIP: Final = ChannelName("trunkline.trip")
"""A worker answers it without a route; ``trunkline up`` sends one through the whole cluster before it says ready."""

SOCKET_CHANNELS: Final = (CONNECT, RECEIVE, DISCONNECT)
"""The channels of a connection's events, and so those the reaper's barrier looks at."""
INTERFACE_CHANNELS: Final = (*SOCKET_CHANNELS, REQUEST, TRIP)
"""The channels an interface server publishes on."""

MAX_CHANNEL_LENGTH: Final = 100
MAX_GROUP_BYTES: Final = 200
MAX_REPLY_LENGTH: Final = 100

_SLOTS: Final = 16_384
_CHANNEL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
_GROUP: Final = re.compile(r"[\w\-.:@+/=]+")
_REPLY: Final = re.compile(r"reply\.([A-Za-z0-9_\-]+)!([A-Za-z0-9_\-]+)")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.\-]{1,50}")

# 50 and 120 random bits: the first only has to differ between processes, the second must not be guessed from outside.
_INTERFACE_ID_BYTES: Final = 6
_CONNECTION_ID_BYTES: Final = 15
_RANDOM_LENGTH: Final = 20
"""Characters of these bytes; what stands behind them in a connection id is the number of its shard."""
MAX_SHARDS: Final = 64
"""Each worker and interface server has some connections to every shard, so more than some ten make little sense."""


def channel_name(value: object) -> ChannelName:
    """Checks a channel name: 1 to 100 of ``A-Z a-z 0-9 _ . -``, not beginning with a dot or dash.

    Raises:
        InvalidName: it is something else.
    """
    if isinstance(value, str) and len(value) <= MAX_CHANNEL_LENGTH and _CHANNEL.fullmatch(value):
        return ChannelName(value)
    raise InvalidName(
        f"channel name {value!r}: expected 1 to {MAX_CHANNEL_LENGTH} letters, digits, '_', '.' or '-' as a str"
    )


def group_name(value: object) -> GroupName:
    """Checks a group name: letters and digits of any script and ``_ - . : @ + / =``, at most 200 bytes of UTF-8.

    Raises:
        InvalidName: it is something else.
    """
    if isinstance(value, str) and _GROUP.fullmatch(value) and _utf8_length(value) <= MAX_GROUP_BYTES:
        return GroupName(value)
    raise InvalidName(
        f"group name {value!r}: expected a str of letters, digits and '_-.:@+/=', 1 to {MAX_GROUP_BYTES} bytes as UTF-8"
    )


def _utf8_length(value: str) -> int:
    return len(value.encode("utf-8", "surrogatepass"))


def reply_name(interface: InterfaceId, connection: ConnectionId) -> ReplyName:
    """Names the reply channel of a connection held by an interface server."""
    return ReplyName(f"reply.{interface}!{connection}")


def split_reply_name(value: object) -> tuple[InterfaceId, ConnectionId]:
    """Takes a reply channel name apart; the inverse of `reply_name`.

    Raises:
        InvalidName: it is no reply channel name.
    """
    if isinstance(value, str) and len(value) <= MAX_REPLY_LENGTH:
        found = _REPLY.fullmatch(value)
        if found is not None:
            return InterfaceId(found[1]), ConnectionId(found[2])
    raise InvalidName(f"reply channel {value!r}: expected 'reply.<interface>!<connection>'")


def new_interface_id() -> InterfaceId:
    """A fresh interface id. An id is never used again, also not by the same process after fencing."""
    return InterfaceId("i" + secrets.token_hex(_INTERFACE_ID_BYTES))


def new_worker_id() -> WorkerId:
    """A fresh worker id, which is also its consumer name in Redis."""
    return WorkerId("w" + secrets.token_hex(_INTERFACE_ID_BYTES))


def new_connection_id(shard: int = 0) -> ConnectionId:
    """A fresh connection id that cannot be guessed (120 random bits).

    Args:
        shard: on which the connection lives; the id names it, so that its reply channel tells everybody.
    """
    return ConnectionId(secrets.token_urlsafe(_CONNECTION_ID_BYTES) + (str(shard) if shard else ""))


def shard_of(connection: str) -> int:
    """The shard on which a connection lives: the number behind the random part of its id, 0 if there is none."""
    number = connection[_RANDOM_LENGTH:]
    return int(number) if number.isdecimal() and number.isascii() else 0


def slot_of_shard(shard: int) -> int:
    """The slot of a Redis Cluster in which all keys of a shard are: that of their hash tag."""
    # CRC16 of the Redis Cluster specification: XMODEM, which Python has under another name.
    return binascii.crc_hqx(str(shard).encode(), 0) % _SLOTS


class Keys:
    """Every Redis key of one shard.

    Args:
        prefix: names the deployment; several may share one Redis.
        shard: number of the shard, from 0.

    Raises:
        InvalidName: the prefix is not 1 to 50 of ``A-Z a-z 0-9 _ . -``.
    """

    __slots__ = (
        "base",
        "channels",
        "consumer_group",
        "dead_workers",
        "delayed",
        "delayed_count",
        "epoch",
        "reaper",
        "reaping",
        "tracks",
    )

    def __init__(self, prefix: str = "trunkline", shard: int = 0) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise InvalidName(f"key prefix {prefix!r}: expected 1 to 50 letters, digits, '_', '.' or '-'")
        self.base = f"{prefix}:{{{shard}}}:"
        self.consumer_group = "workers"
        self.epoch = self.base + "epoch"
        self.delayed = self.base + "delayed"
        self.delayed_count = self.base + "delayed-count"
        self.reaper = self.base + "reaper"
        self.reaping = self.base + "reaping"
        self.dead_workers = self.base + "dead-workers"
        self.channels = self.base + "channels"
        self.tracks = self.base + "tracks"

    def stream(self, channel: str) -> str:
        """Stream of a channel's entries; consumer group ``workers``."""
        return f"{self.base}stream:{channel}"

    def mailbox(self, interface: str) -> str:
        """Stream of all that is addressed to an interface server; it exists as long as its interface may live."""
        return f"{self.base}mailbox:{interface}"

    def registry(self, interface: str) -> str:
        """Hash of an interface's accepted connections: id to the disconnect entry the reaper would publish."""
        return f"{self.base}connections:{interface}"

    def group(self, group: str) -> str:
        """Hash of a group: interface with members to the token of the last add."""
        return f"{self.base}group:{group}"

    def groups_of(self, interface: str) -> str:
        """Set of the groups an interface is registered in."""
        return f"{self.base}groups:{interface}"

    def session(self, connection: str) -> str:
        """String: the channel session of a connection."""
        return f"{self.base}session:{connection}"

    def sessions(self, connections: Iterable[str]) -> list[str]:
        """The same of several connections."""
        head = f"{self.base}session:"
        return [head + connection for connection in connections]

    def leases(self, role: str) -> str:
        """Sorted set: process id to the end of its lease in milliseconds of Redis' clock. Role: interface or worker."""
        return f"{self.base}leases:{role}"

    def info(self) -> str:
        """Hash: process id to its `LeaseInfo`."""
        return f"{self.base}info"

    def published(self) -> str:
        """Hash: interface to the number of the last publish batch seen."""
        return f"{self.base}published"

    @property
    def stood(self) -> str:
        """Hash: interface to the last id of its mailbox when the present Redis took over; `!` to that Redis."""
        return f"{self.base}stood"

    def load(self, identity: str) -> str:
        """String: what a process says of its load, for a few seconds."""
        return f"{self.base}load:{identity}"

    @property
    def desired(self) -> str:
        """Hash: role and slot of time to the most processes of it that somebody found right then."""
        return self.base + "desired"

    @property
    def scratch(self) -> str:
        """A key that exists only while a script tries what this user may do."""
        return self.base + "scratch"

    @property
    def layout(self) -> str:
        """Hash: what this shard is a part of; see `sharding.layout`."""
        return f"{self.base}layout"

    def dead(self) -> str:
        """Stream of dead letters."""
        return f"{self.base}dead"
