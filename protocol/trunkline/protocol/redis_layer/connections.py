"""Connections of redis-py to a place: made at its URL, or at the address that its Sentinels tell at that moment.

All that talks to Redis begins here. Where a place has Sentinels they are asked again on every new connection, so a
fail-over needs nothing but the loss of the old one, which Sentinel itself sees to: it cuts the clients of a primary
that it demotes (``CLIENT KILL TYPE normal``).
"""

from __future__ import annotations

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry as SoonRetry
from redis.backoff import NoBackoff
from redis.connection import Connection as BlockingConnection
from redis.connection import SSLConnection as BlockingSSLConnection
from redis.connection import parse_url as parse_blocking_url
from redis.exceptions import ConnectionError, RedisError, ResponseError
from redis.retry import Retry

from ..redis_layout import BySentinel, Place
from ..redis_parts import Address
from .sentinels import Sentinels

_parse_blocking: Any = parse_blocking_url  # it declares no types
_UNKNOWN = Address("unknown", 1)
"""Stands in the URL for the host that is asked for."""
_READ_ONLY = "read only replica"
"""What a replica answers to a write, also where a script made it."""


def pool(place: Place, **options: Any) -> Any:
    """A pool for asyncio. redis-py declares no types where we take a connection out of it.

    Args:
        place: where Redis is.
        options: of each connection, beside those of the URL.
    """
    if not isinstance(place, BySentinel):
        return redis.asyncio.ConnectionPool.from_url(place.url, **options)
    found: dict[str, Any] = {**parse_url(place.at(_UNKNOWN))}
    tls = found.get("connection_class") is SSLConnection
    found["connection_class"] = _SoughtOverTls if tls else _Sought
    return redis.asyncio.ConnectionPool(**options, **found, sentinels=Sentinels(place))


def client(place: Place, name: str, timeout_s: float) -> redis.asyncio.Redis:
    """A client for asyncio, which connects when it is first asked.

    Args:
        place: where Redis is.
        name: for CLIENT LIST.
        timeout_s: of a connection to be made, and of each answer.
    """
    options = _options(name, timeout_s)
    if isinstance(place, BySentinel):
        # Once more at once: a connection that waited in the pool may be the one to the primary of before.
        again = SoonRetry(NoBackoff(), 1)
        return redis.asyncio.Redis.from_pool(pool(place, retry=again, **options))
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
    if not isinstance(place, BySentinel):
        return redis.Redis.from_url(place.url, **options, **({} if retry is None else {"retry": retry}))
    found: dict[str, Any] = {**_parse_blocking(place.at(_UNKNOWN))}
    tls = found.get("connection_class") is BlockingSSLConnection
    found["connection_class"] = _BlockingSoughtOverTls if tls else _BlockingSought
    again = retry or Retry(NoBackoff(), 1)
    return redis.Redis.from_pool(
        redis.ConnectionPool(**options, **found, retry=again, sentinels=Sentinels(place))
    )


def primary_of(client: redis.asyncio.Redis) -> Address | None:
    """Where Sentinel has last told a client of `client` that its primary is; None of a place without Sentinels."""
    sentinels = client.connection_pool.connection_kwargs.get("sentinels")
    return sentinels.primary if isinstance(sentinels, Sentinels) else None


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
        raise ConnectionError(f"Redis at {address}, of which Sentinel has told, is a replica")


class _Sought(Connection):
    """A connection to wherever the primary is when it is made.

    Args:
        sentinels: who know.
    """

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(**options)
        self._sentinels = sentinels

    async def connect_check_health(self, *args: Any, **options: Any) -> None:
        # And not `connect`, which redis-py leaves out where it tries a command again.
        if self.is_connected:
            return
        address = await self._sentinels.find_soon()
        self.host, self.port = address
        try:
            await super().connect_check_health(*args, **options)
            await self.send_command("INFO", "replication", check_health=False)
            _check_role(address, await self.read_response())
        except RedisError:
            self._sentinels.doubt()
            await self.disconnect()
            raise

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except ResponseError as error:
            if _READ_ONLY not in str(error):
                raise
            await self.disconnect()
            raise ConnectionError(f"Redis at {self.host}:{self.port} is no primary any more") from error


class _SoughtOverTls(_Sought, SSLConnection):
    """The same over TLS: the certificate is for the host that Sentinel tells."""


class _BlockingSought(BlockingConnection):
    """As `_Sought`, for threads."""

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._sentinels = sentinels

    def connect_check_health(self, *args: Any, **options: Any) -> None:
        if self._sock is not None:  # Not every redis-py that we take has `is_connected` here.
            return
        address = self._sentinels.find()
        self.host, self.port = address
        try:
            super().connect_check_health(*args, **options)
            self.send_command("INFO", "replication", check_health=False)  # type: ignore[no-untyped-call]
            _check_role(address, self.read_response())
        except RedisError:
            self._sentinels.doubt()
            self.disconnect()  # type: ignore[no-untyped-call]
            raise

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)
        except ResponseError as error:
            if _READ_ONLY not in str(error):
                raise
            self.disconnect()  # type: ignore[no-untyped-call]
            raise ConnectionError(f"Redis at {self.host}:{self.port} is no primary any more") from error


class _BlockingSoughtOverTls(_BlockingSought, BlockingSSLConnection):
    """As `_SoughtOverTls`, for threads."""
