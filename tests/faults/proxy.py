"""A proxy in front of a Redis, one for each process under test, at which exact commands can be stopped.

It lives in the test's event loop, forwards every byte as it came, and understands as much RESP as it takes to pair each
reply with its request. Layers, the lowest first: `resp` cuts frames, `command_names` names them, `points` says which of
them are stopped, `delay_line` makes chunks late, `relay` is one connection, and this module all of a process.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterable
from urllib.parse import SplitResult, parse_qs, urlsplit

from tests.faults.points import WITHIN_S, Arming, Held, Point, Points
from tests.faults.relay import Relay
from tests.support.servers import accept_no_more

__all__ = ["Held", "Point", "Proxy"]

_REDIS_PORT = 6379
_HOST_AND_PORT = re.compile(r"127\.0\.0\.1:(\d+)")
_TOLD_PORT = re.compile(rb":(\d+)\r\n|\$\d+\r\n(\d+)\r\n")
"""As ``CLUSTER SLOTS`` tells one, and as a Sentinel does."""


class Proxy:
    """Made by `start`, or by `before_all` where a process is told of several Redises: then it has a door to each.

    Attributes:
        url: for the process under test.
        delay_s: latency added to each chunk, in each direction.
        counts: commands seen, by the names that `Point` has.
        points: those that are armed.
        partitioned: see `partition`.
        relays: the connections.
    """

    def __init__(self) -> None:
        self.url = ""
        self.delay_s = 0.0
        self.counts: Counter[str] = Counter()
        self.points = Points(self.counts)
        self.partitioned = False
        self.relays: set[Relay] = set()
        self._closed = False
        self._servers: list[asyncio.Server] = []
        self._doors: dict[int, int] = {}  # port of a Redis, to that of the door to it
        self._connecting: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, upstream_url: str) -> Proxy:
        """Listens on a port of the kernel's choice.

        Args:
            upstream_url: ``redis://host:port/db`` or ``unix://path?db=0``, either with a password in it.

        Raises:
            ValueError: the URL has another scheme; TLS cannot be looked into.
        """
        upstream = urlsplit(upstream_url)
        if upstream.scheme not in ("redis", "unix"):
            raise ValueError(f"{upstream_url!r} is neither redis:// nor unix://")
        proxy = cls()
        port = await proxy._open(upstream)
        userinfo, at, _ = upstream.netloc.rpartition("@")
        proxy.url = f"redis://{userinfo}{at}127.0.0.1:{port}/{_database(upstream)}"
        return proxy

    @classmethod
    async def before_all(cls, url: str, ports: Iterable[int]) -> Proxy:
        """Stands before every Redis that a process may be told of. Whoever tells it of one tells of the door to it.

        Args:
            url: ``redis+sentinel://…`` or ``redis+cluster://…``, of hosts ``127.0.0.1``.
            ports: of all Redises, and of all Sentinels.
        """
        proxy = cls()
        for port in ports:
            proxy._doors[port] = await proxy._open(urlsplit(f"redis://127.0.0.1:{port}"))
        proxy.url = _HOST_AND_PORT.sub(lambda found: f"127.0.0.1:{proxy._doors[int(found[1])]}", url)
        return proxy

    async def _open(self, upstream: SplitResult) -> int:
        """Opens a door to a Redis; its port."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Relay(self, upstream).client, "127.0.0.1", 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stops listening and resets every connection, also those that are made in this moment."""
        self._closed = True
        await accept_no_more(self._servers)
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        relays = tuple(self.relays)
        self.cut_all()
        for relay in relays:
            await relay.client.gone.wait()
            await relay.redis.gone.wait()

    # ---- points ----

    def armed(self, point: Point, nth: int = 1) -> Arming:
        """Arms a point at once, before the load starts: ``with proxy.armed(p) as arming: …; held = await arming``."""
        return self.points.arm(point, nth)

    async def reach(self, point: Point, nth: int = 1, within_s: float = WITHIN_S) -> Held:
        """Waits until the nth such command from now, and holds its connection there.

        Raises:
            AssertionError: it did not come in time.
        """
        return await self.armed(point, nth).within(within_s)

    # ---- other faults ----

    def cut_all(self) -> None:
        """Resets every connection."""
        for relay in tuple(self.relays):
            relay.cut()

    def partition(self) -> None:
        """Black hole both ways: bytes are accepted and not forwarded, new connections accepted and mute."""
        self.partitioned = True
        for relay in self.relays:
            relay.mute()

    def heal(self) -> None:
        """Ends the partition; its connections are reset, as what they had under way is gone."""
        self.partitioned = False
        self.cut_all()

    # ---- for the connections ----

    async def connect(self, side: asyncio.Protocol, upstream: SplitResult) -> object:
        """Connects one to Redis."""
        loop = asyncio.get_running_loop()
        if upstream.scheme == "unix":
            return await loop.create_unix_connection(lambda: side, upstream.path)
        host, port = upstream.hostname or "127.0.0.1", upstream.port or _REDIS_PORT
        return await loop.create_connection(lambda: side, host, port)

    def by_doors(self, reply: bytes) -> bytes:
        """An answer that names Redises, with their doors in the places of their ports."""
        return _TOLD_PORT.sub(self._by_door, reply)

    def _by_door(self, found: re.Match[bytes]) -> bytes:
        integer, string = found.groups()
        port = self._doors.get(int(integer or string))
        if port is None:
            return found[0]
        text = str(port).encode()
        return b":%b\r\n" % text if integer else b"$%d\r\n%b\r\n" % (len(text), text)

    def accepted(self, relay: Relay) -> None:
        """Connects a connection's other side."""
        if self._closed:
            relay.cut()
            return
        task = asyncio.get_running_loop().create_task(relay.connect())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)


def _database(upstream: SplitResult) -> str:
    if upstream.scheme == "unix":
        return parse_qs(upstream.query).get("db", ["0"])[0]
    return upstream.path.strip("/") or "0"
