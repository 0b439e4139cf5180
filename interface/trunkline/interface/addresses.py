"""How much one address may have: connections at once, and new ones a second. Pure.

An IPv4 address counts by itself. Of an IPv6 address the first 64 bits count: that is the least a subscriber gets
(RFC 6177), so one machine has 2^64 addresses to come from.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

from .rate import FULL, NONE_LEFT, Rate

_NETWORK_BITS: Final = 64
MAX_BUCKETS: Final = 65_536
"""Addresses whose buckets are remembered. At the bound those that are full again are forgotten, and if that is not
enough, all: a moment's mercy for everybody instead of memory for an attacker with so many addresses."""


@lru_cache(maxsize=16_384)
def address_key(host: str) -> str:
    """What an address is counted under; empty for what is no address (a peer on a Unix socket), which has no limit."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _NETWORK_BITS), strict=False))


class Addresses:
    """Counts connections by address.

    Args:
        limit: connections of one address at once; 0 for any number.
        rate: new connections of one address; None for any number.

    Attributes:
        limited: there is a limit at all; without one nothing needs to be counted.
    """

    __slots__ = ("_buckets", "_limit", "_open", "_rate", "limited")

    def __init__(self, limit: int, rate: Rate | None) -> None:
        self._limit = limit
        self._rate = rate
        self._open: dict[str, int] = {}
        self._buckets: dict[str, float] = {}
        self.limited = bool(limit) or rate is not None

    def refuse(self, key: str, now_s: float) -> str:
        """Whether one more connection of this address is one too many.

        Args:
            key: from `address_key`.
            now_s: of a clock that only rises.

        Returns:
            Empty if it may come (`enter` it then), otherwise why not: ``address`` (too many at once) or
            ``address_rate`` (too many in a short time).
        """
        if not key:
            return ""
        if self._limit and self._open.get(key, 0) >= self._limit:
            return "address"
        if self._rate is None:
            return ""
        bucket = self._rate.take(self._buckets.get(key, FULL), now_s)
        if bucket == NONE_LEFT:
            return "address_rate"
        if len(self._buckets) >= MAX_BUCKETS and key not in self._buckets:
            self._forget(now_s)
        self._buckets[key] = bucket
        return ""

    def _forget(self, now_s: float) -> None:
        self._buckets = {key: full_at_s for key, full_at_s in self._buckets.items() if full_at_s > now_s}
        if len(self._buckets) >= MAX_BUCKETS:
            self._buckets = {}

    def enter(self, key: str) -> None:
        """One more is open, within the limit or not: it may have been counted under another name before."""
        if key:
            self._open[key] = self._open.get(key, 0) + 1

    def leave(self, key: str) -> None:
        """One has gone."""
        left = self._open.get(key, 0) - 1
        if left > 0:
            self._open[key] = left
        else:
            self._open.pop(key, None)

    def open(self, key: str) -> int:
        """How many of this address are open."""
        return self._open.get(key, 0)
