"""Connections of redis-py to a place: made at its URL, or at the address that its Sentinels tell at that moment.

All that talks to Redis begins here. Where a place has Sentinels they are asked again on every new connection, so a
fail-over needs nothing but the loss of the old one, which Sentinel itself sees to: it cuts the clients of a primary
that it demotes (``CLIENT KILL TYPE normal``).
"""

from __future__ import annotations

from typing import Any, Protocol

import redis
import redis.asyncio
from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry as SoonRetry
from redis.backoff import NoBackoff
from redis.connection import Connection as BlockingConnection
from redis.connection import SSLConnection as BlockingSSLConnection
from redis.connection import parse_url as parse_blocking_url
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.retry import Retry

from ..redis_layout import BySentinel, BySlot, Direct, Place
from ..redis_parts import Address
from .cluster_nodes import ClusterNodes
from .scripts import NON_LOCAL
from .sentinels import Sentinels

_parse_blocking: Any = parse_blocking_url  # it declares no types
_UNKNOWN = Address("unknown", 1)
"""Stands in the URL for the host that is asked for."""
_READ_ONLY = "read only replica"
"""What a replica answers to a write, also where a script made it."""
_ELSEWHERE = (AskError, TryAgainError, ClusterDownError)
"""What a node of a cluster answers about a slot that is not its own (``MOVED`` is an ``ASK`` to redis-py), that is
being moved, or that nobody serves."""


class Seeker(Protocol):
    """Who tells where a Redis is."""

    def find(self) -> Address:
        """Where it is now; blocks.

        Raises:
            LayerUnavailable: nobody knows.
        """
        ...

    async def find_soon(self) -> Address:
        """As `find`, without blocking."""
        ...

    def doubt(self) -> None:
        """It is not there, or no primary."""


def seeker_of(place: BySentinel | BySlot) -> Seeker:
    """Who tells where a place is."""
    return Sentinels(place) if isinstance(place, BySentinel) else ClusterNodes(place)


def _is_elsewhere(error: ResponseError) -> bool:
    return isinstance(error, _ELSEWHERE) or _READ_ONLY in str(error) or NON_LOCAL in str(error)


def pool(place: Place, **options: Any) -> Any:
    """A pool for asyncio. redis-py declares no types where we take a connection out of it.

    Args:
        place: where Redis is.
        options: of each connection, beside those of the URL.
    """
    if isinstance(place, Direct):
        return redis.asyncio.ConnectionPool.from_url(place.url, **options)
    found: dict[str, Any] = {**parse_url(place.at(_UNKNOWN))}
    tls = found.get("connection_class") is SSLConnection
    found["connection_class"] = _SoughtOverTls if tls else _Sought
    return redis.asyncio.ConnectionPool(**options, **found, seeker=seeker_of(place))


def client(place: Place, name: str, timeout_s: float, *, patient: bool = True) -> redis.asyncio.Redis:
    """A client for asyncio, which connects when it is first asked.

    Args:
        place: where Redis is.
        name: for CLIENT LIST.
        timeout_s: of a connection to be made, and of each answer.
        patient: leaves it to redis-py how often a Redis that refuses connections is tried, with pauses of seconds.
    """
    options = _options(name, timeout_s)
    # Once more at once: a connection that waited in the pool may be the one to the primary, or to the Redis, of before.
    again = SoonRetry(NoBackoff(), 1)
    if not isinstance(place, Direct):
        return redis.asyncio.Redis.from_pool(pool(place, retry=again, **options))
    if not patient:
        options["retry"] = again
    return redis.asyncio.Redis.from_url(place.url, **options)


def blocking_client(place: Place, name: str, timeout_s: float, retry: Retry | None = None) -> redis.Redis:
    """As `client`, for threads.

    Args:
        place: where Redis is.
        name: for CLIENT LIST.
        timeout_s: of a connection to be made, and of each answer.
        retry: None leaves it to redis-py, or to what a fail-over needs.
    """
    options = _options(name, timeout_s)
    if isinstance(place, Direct):
        return redis.Redis.from_url(place.url, **options, **({} if retry is None else {"retry": retry}))
    found: dict[str, Any] = {**_parse_blocking(place.at(_UNKNOWN))}
    tls = found.get("connection_class") is BlockingSSLConnection
    found["connection_class"] = _BlockingSoughtOverTls if tls else _BlockingSought
    again = retry or Retry(NoBackoff(), 1)
    return redis.Redis.from_pool(
        redis.ConnectionPool(**options, **found, retry=again, seeker=seeker_of(place))
    )


def primary_of(client: redis.asyncio.Redis) -> Address | None:
    """Where Sentinel has last told a client of `client` that its primary is; None of a place without Sentinels."""
    seeker = client.connection_pool.connection_kwargs.get("seeker")
    return seeker.primary if isinstance(seeker, Sentinels) else None


def _options(name: str, timeout_s: float) -> dict[str, Any]:
    return {
        "protocol": 2,
        "client_name": name,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
    }


def _check_role(address: Address, info: Any) -> None:
    """Sentinel may not know yet that a primary was demoted, or have it from another that was cut off."""
    if b"role:master" not in info:
        raise ConnectionError(f"Redis at {address}, which was said to be the primary, is a replica")


class _Sought(Connection):
    """A connection to wherever the primary is when it is made.

    Args:
        seeker: knows where.
    """

    def __init__(self, *, seeker: Seeker, **options: Any) -> None:
        super().__init__(**options)
        self._seeker = seeker

    async def connect_check_health(self, *args: Any, **options: Any) -> None:
        # And not `connect`, which redis-py leaves out where it tries a command again.
        if self.is_connected:
            return
        address = await self._seeker.find_soon()
        self.host, self.port = address
        try:
            await super().connect_check_health(*args, **options)
            await self.send_command("INFO", "replication", check_health=False)
            _check_role(address, await self.read_response())
        except RedisError:
            self._seeker.doubt()
            await self.disconnect()
            raise

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except ResponseError as error:
            if not _is_elsewhere(error):
                raise
            await self.disconnect()
            raise ConnectionError(
                f"Redis at {self.host}:{self.port} is not the one any more: {error}"
            ) from error


class _SoughtOverTls(_Sought, SSLConnection):
    """The same over TLS: the certificate is for the host that Sentinel tells."""


class _BlockingSought(BlockingConnection):
    """As `_Sought`, for threads."""

    def __init__(self, *, seeker: Seeker, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._seeker = seeker

    def connect_check_health(self, *args: Any, **options: Any) -> None:
        if self._sock is not None:  # Not every redis-py that we take has `is_connected` here.
            return
        address = self._seeker.find()
        self.host, self.port = address
        try:
            super().connect_check_health(*args, **options)
            self.send_command("INFO", "replication", check_health=False)  # type: ignore[no-untyped-call]
            _check_role(address, self.read_response())
        except RedisError:
            self._seeker.doubt()
            self.disconnect()  # type: ignore[no-untyped-call]
            raise

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)
        except ResponseError as error:
            if not _is_elsewhere(error):
                raise
            self.disconnect()  # type: ignore[no-untyped-call]
            raise ConnectionError(
                f"Redis at {self.host}:{self.port} is not the one any more: {error}"
            ) from error


class _BlockingSoughtOverTls(_BlockingSought, BlockingSSLConnection):
    """As `_SoughtOverTls`, for threads."""
