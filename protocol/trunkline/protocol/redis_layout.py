"""Where the Redises of a cluster are: what ``--redis-url`` says, as values. Pure.

::

    Layout = Places | OfCluster      all shards
    Places = (Place, …)              one for each shard
    Place  = Direct | BySentinel | BySlot     one Redis

A place that is asked for (`BySentinel`, `OfCluster`) has the URLs of those who know it, and `at` makes the URL of a
Redis of the address that they tell. So whoever makes connections needs to know but ``redis://``, ``rediss://`` and
``unix://``. Each has the URL as it was written, to be shown by `redis_url.without_secrets`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

from .redis_parts import (
    CLUSTER,
    SENTINEL,
    SENTINEL_PARAMETERS,
    SOCKET,
    TLS_PARAMETERS,
    Address,
    Parts,
    take_apart,
)

SENTINEL_PORT: Final = 26379
REDIS_PORT: Final = 6379

_BETWEEN: Final = re.compile(r"\s*,\s*(?=[a-z+]+://)")
"""A comma with a scheme behind it is between two URLs; another is between two hosts, or in a password."""


@dataclass(frozen=True, slots=True)
class Direct:
    """A Redis at a known address.

    Attributes:
        url: ``redis://``, ``rediss://`` or ``unix://``, for redis-py.
    """

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BySentinel:
    """A Redis that is wherever Sentinel says.

    Attributes:
        url: as it was written.
        service: its name in Sentinel's configuration.
        sentinels: their addresses, in the order in which they are asked.
    """

    url: str = field(repr=False)
    service: str
    sentinels: tuple[Address, ...]
    _parts: Parts = field(repr=False, compare=False)

    def sentinel(self, address: Address) -> str:
        """URL of a Sentinel, which may have a user and a password of its own."""
        given = self._parts.parameters
        user, password = (unquote(given.get(f"sentinel_{name}", "")) for name in ("username", "password"))
        before = f"{quote(user, safe='')}:{quote(password, safe='')}@" if password else ""
        tls = {name: value for name, value in given.items() if name in TLS_PARAMETERS}
        return _made(self._parts, before, address, 0, tls)

    def at(self, address: Address) -> str:
        """URL of the Redis, of the address that Sentinel has told."""
        return _redis_at(self._parts, address)


@dataclass(frozen=True, slots=True)
class OfCluster:
    """The nodes of a Redis Cluster.

    Attributes:
        url: as it was written.
        nodes: addresses of some of them, which know the others.
    """

    url: str = field(repr=False)
    nodes: tuple[Address, ...]
    _parts: Parts = field(repr=False, compare=False)

    def at(self, address: Address) -> str:
        """URL of a node, of these or of an address that one of these has told."""
        return _redis_at(self._parts, address)


@dataclass(frozen=True, slots=True)
class BySlot:
    """A Redis that is the primary of a slot in a Redis Cluster, whichever that is.

    Attributes:
        cluster: whose nodes know.
        slot: 0 to 16383.
    """

    cluster: OfCluster
    slot: int

    @property
    def url(self) -> str:
        """As it was written, for all shards."""
        return self.cluster.url

    def at(self, address: Address) -> str:
        """URL of a node, of an address that another has told."""
        return self.cluster.at(address)


Place = Direct | BySentinel | BySlot
Places = tuple[Place, ...]
Layout = Places | OfCluster


def urls_of(text: str) -> list[str]:
    """The URLs of ``--redis-url``, not looked at yet."""
    return _BETWEEN.split(text.strip())


def layout_of(text: str) -> Layout:
    """Reads ``--redis-url``: one URL, or several with commas between.

    Raises:
        ValueError: something is wrong with it; the text says what was expected, and quotes nothing that may be secret.
    """
    urls = urls_of(text)
    found: list[Place | OfCluster] = []
    for number, url in enumerate(urls, 1):
        try:
            found.append(_one(url))
        except ValueError as error:
            if len(urls) == 1:
                raise
            raise ValueError(f"URL {number} of {len(urls)}: {error}") from None
    for one in found:
        if isinstance(one, OfCluster):
            if len(found) > 1:
                raise ValueError(
                    "expected a Redis Cluster alone: it has all shards, and there is no other beside it"
                )
            return one
    return tuple(one for one in found if not isinstance(one, OfCluster))


def _one(url: str) -> Place | OfCluster:
    parts = take_apart(url)
    if parts.scheme in SENTINEL:
        return BySentinel(url, parts.path, _with_port(parts.hosts, SENTINEL_PORT), parts)
    if parts.scheme in CLUSTER:
        return OfCluster(url, _with_port(parts.hosts, REDIS_PORT), parts)
    return Direct(url.removeprefix("redis+") if parts.scheme in SOCKET else url)


def _with_port(hosts: tuple[Address, ...], port: int) -> tuple[Address, ...]:
    return tuple(Address(host or "localhost", written or port) for host, written in hosts)


def _redis_at(parts: Parts, address: Address) -> str:
    parameters = {name: value for name, value in parts.parameters.items() if name not in SENTINEL_PARAMETERS}
    return _made(parts, f"{parts.user}@" if parts.user else "", address, parts.db, parameters)


def _made(parts: Parts, user: str, address: Address, db: int, parameters: Mapping[str, str]) -> str:
    """A URL for redis-py. What was escaped stays so."""
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"{'rediss' if parts.tls else 'redis'}://{user}{address}/{db}{'?' if query else ''}{query}"
