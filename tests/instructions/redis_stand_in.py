"""Redis as far as the layers ask it while they open, and from then on a place where packed commands are kept.

It stands where redis-py would hand over the transport of a new connection, so everything on this side of the socket is
the product's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import hiredis
import redis.asyncio

from trunkline.protocol.redis_layer.scripts import SCRIPTS

from .lap import ECHO_TEXT

EPOCH: Final = b"0123456789abcdef"

Reply = None | int | bytes | Sequence["Reply"]

_NAME_OF: Final = {script.sha.encode(): name for name, script in SCRIPTS.items()}
_ANSWERS: Final[dict[str, Reply]] = {
    "arrive": b"",
    "register": [b"ok", EPOCH, 0, b"0-0", b""],
    "serve": 0,
    "held": [],
}
"""What the scripts say that are called while a layer opens; others are the drivers' to answer."""


def resp(value: Reply) -> bytes:
    """A reply as it goes over the wire (https://redis.io/docs/latest/develop/reference/protocol-spec/)."""
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, bytes):
        return b"$%d\r\n%b\r\n" % (len(value), value)
    return b"*%d\r\n" % len(value) + b"".join(map(resp, value))


def commands(packed: bytes) -> list[list[bytes]]:
    """The commands in what was written: an array of strings looks the same in both directions."""
    reader = hiredis.Reader()
    reader.feed(packed)
    found: list[list[bytes]] = []
    while (command := reader.gets()) is not False:
        found.append(command)
    return found


def echoes(sent: Iterable[list[bytes]]) -> int:
    """How often commands carry the text of the echoes, wherever they carry it."""
    return sum(part.count(ECHO_TEXT.encode()) for command in sent for part in command)


class RedisStandIn:
    """One connection to it, as its transport.

    Attributes:
        protocol: whom it answers.
        written: the commands that wait for a driver's answer, packed.
        write: takes a packed command.
    """

    def __init__(self) -> None:
        self.protocol: Any = None
        self.written: list[bytes] = []
        self.write: Callable[[bytes], None] = self._answer

    def keep(self) -> None:
        """The layer is open: keeps what is written, at next to no cost."""
        self.write = self.written.append

    def answer(self, packed: bytes) -> None:
        """Answers."""
        self.protocol.data_received(packed)

    def _answer(self, packed: bytes) -> None:
        for command in commands(packed):
            reply: Reply
            if command[0] == b"SCRIPT":
                reply = b"loaded"
            elif command[0] == b"CLIENT":
                reply = 7
            elif command[0] == b"EVALSHA":
                reply = _ANSWERS[_NAME_OF[command[1]]]
            else:
                self.written.append(packed)  # a blocking read
                return
            asyncio.get_running_loop().call_soon(self.answer, resp(reply))

    # ---- the rest of a transport, as far as it is asked for ----

    def set_protocol(self, protocol: Any) -> None:
        """Takes the protocol."""
        self.protocol = protocol

    def is_reading(self) -> bool:
        """It always does."""
        return True


class _Made:
    """A connection that redis-py has made."""

    def __init__(self, stand_in: RedisStandIn) -> None:
        self._writer = self
        self.transport = stand_in

    async def connect(self) -> None:
        pass

    def _close(self) -> None:
        pass


def stand_in_for_redis() -> dict[str, RedisStandIn]:
    """From now on redis-py makes connections to stand-ins; gives those that were made, by their client names."""
    made: dict[str, RedisStandIn] = {}

    def make_connection(pool: Any) -> Any:
        stand_in = made[pool.connection_kwargs["client_name"]] = RedisStandIn()
        return _Made(stand_in)

    pool: Any = redis.asyncio.ConnectionPool
    pool.make_connection = make_connection
    return made
