"""Under which address other processes, and Prometheus, reach the admin server of this one: what its lease says."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable

_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.\-]*[A-Za-z0-9_])?\.?")
_WITH_PORT = re.compile(r"(\[[^\]]*\]|[^:]*):(\d{1,5})")

# Addresses of documentation (RFC 5737, RFC 3849), which nobody has: connecting a datagram socket sends nothing, and
# only asks the kernel from which of its addresses it would.
_FAR = {4: (socket.AF_INET, "192.0.2.1"), 6: (socket.AF_INET6, "2001:db8::1")}
_DISCARD_PORT = 9


def split_address(value: str) -> tuple[str, int | None]:
    """Reads ``HOST`` or ``HOST:PORT``; an IPv6 address with a port stands in brackets.

    Returns:
        Host without brackets, and the port or None.

    Raises:
        ValueError: it is neither; the text says what was expected.
    """
    found = _WITH_PORT.fullmatch(value)
    host = found[1] if found else value
    port = int(found[2]) if found else None
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if (_NAME.fullmatch(host) or _is_ipv6(host)) and (port is None or 0 < port < 65_536):
        return host, port
    raise ValueError("expected HOST or HOST:PORT, as others reach this machine: web1.example, 10.0.0.7:9400")


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def advertised(bound: str, given: str, own_address: Callable[[int], str] | None = None) -> str:
    """The address for the lease.

    Args:
        bound: ``host:port`` that the admin server really listens on.
        given: what the user says, ``HOST`` or ``HOST:PORT``; wins.
        own_address: finds an address of this machine, of IP version 4 or 6, where it listens on all of them.

    Returns:
        ``host:port``.

    Raises:
        ValueError: ``given`` is no address.
    """
    bound_host, bound_port = split_address(bound)
    if given:
        host, port = split_address(given)
        return joined(host, port or bound_port or 0)
    try:
        address = ipaddress.ip_address(bound_host)
    except ValueError:
        return bound
    if not address.is_unspecified:
        return bound
    return joined((own_address or address_of_this_machine)(address.version), bound_port or 0)


def joined(host: str, port: int) -> str:
    """``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def address_of_this_machine(version: int) -> str:
    """The address from which this machine speaks to others; its host name if it has no way to them.

    Not the name first: where there is no name service, and within a pod of Kubernetes, nobody else can resolve it.

    Args:
        version: 4 or 6, of IP.
    """
    family, far = _FAR[version]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, _DISCARD_PORT))
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()


def is_loopback(address: str) -> bool:
    """Whether an address ``host:port`` means the machine of whoever uses it."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
