"""Who a request comes from when a proxy stands between. Pure.

Headers are believed only as far as trusted proxies wrote them: the client is the right-most hop that is no trusted
proxy, as whatever stands left of it may be its invention.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .headers import Headers
from .settings import UNIX

SCHEMES = ("http", "https")


class Client(NamedTuple):
    """Who sent a request.

    Attributes:
        host: address.
        port: 0 if it is not known.
        scheme: ``http`` or ``https``, as the client used it.
    """

    host: str
    port: int
    scheme: str


class TrustedProxies:
    """The networks whose word counts.

    Args:
        networks: addresses, ``ADDRESS/BITS``, or ``unix`` for every peer on a Unix socket.
    """

    __slots__ = ("_networks", "_unix")

    def __init__(self, networks: Sequence[str]) -> None:
        self._unix = UNIX in networks
        self._networks = [ipaddress.ip_network(network) for network in networks if network != UNIX]

    def trusts(self, host: str) -> bool:
        """Whether this peer is a trusted proxy; an empty host is a peer on a Unix socket."""
        if not host:
            return self._unix
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)

    def client(self, host: str, port: int, scheme: str, headers: Headers) -> Client:
        """Who sent a request that came from this peer.

        Args:
            host: of the peer; empty on a Unix socket.
            port: of the peer.
            scheme: as this server received it.
            headers: of the request.
        """
        if not (self._unix or self._networks) or not self.trusts(host):
            return Client(host, port, scheme)
        hops, schemes = _forwarded(headers)
        place = None
        for index in range(len(hops) - 1, -1, -1):
            if _address(hops[index][0]) is None:
                break  # "unknown" or nonsense: what stands further left means nothing.
            place = index
            if not self.trusts(hops[index][0]):
                break
        if len(schemes) > 1 and len(schemes) == len(hops) and place is not None:
            said = schemes[place]
        else:
            said = schemes[-1] if schemes else ""
        if said in SCHEMES:
            scheme = said
        return Client(host, port, scheme) if place is None else Client(*hops[place], scheme)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if mapped is not None else address


def _forwarded(headers: Headers) -> tuple[list[tuple[str, int]], list[str]]:
    """Hops, the nearest last, and schemes: of X-Forwarded-For and -Proto, or of Forwarded (RFC 7239)."""
    hops = [_host_port(text) for text in _items(headers.getall("X-Forwarded-For", []))]
    schemes = [text.lower() for text in _items(headers.getall("X-Forwarded-Proto", []))]
    if hops or schemes:
        return hops, schemes
    for element in _items(headers.getall("Forwarded", [])):
        pairs = dict(map(_pair, element.split(";")))
        hops.append(_host_port(pairs.get("for", "")))
        schemes.append(pairs.get("proto", "").lower())
    return hops, schemes


def _pair(text: str) -> tuple[str, str]:
    # Not by a regular expression: a client writes most of this header, and searching took it the square of its length.
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip().strip('"')


def _items(values: Iterable[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def _host_port(text: str) -> tuple[str, int]:
    text = text.strip().strip('"')
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, _port(rest.removeprefix(":"))
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, _port(port)
    return text, 0


def _port(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else 0
