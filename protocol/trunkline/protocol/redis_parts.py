"""One Redis URL taken apart, and every mistake in it told. Pure.

What is written before the ``@`` or behind the ``?`` may be a secret, or a piece of one that lacks an escape: so no
error quotes anything of a URL but its scheme and the names of parameters that there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

SINGLE: Final = ("redis", "rediss")
SOCKET: Final = ("unix", "redis+unix")
SENTINEL: Final = ("redis+sentinel", "rediss+sentinel")
CLUSTER: Final = ("redis+cluster", "rediss+cluster")
SCHEMES: Final = (*SINGLE, *SOCKET, *SENTINEL, *CLUSTER)

SECRET_PARAMETERS: Final = frozenset(
    ("username", "password", "ssl_password", "sentinel_username", "sentinel_password")
)
TLS_PARAMETERS: Final = frozenset(
    (
        "ssl_ca_certs",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_keyfile",
        "ssl_password",
    )
)
SENTINEL_PARAMETERS: Final = frozenset(("sentinel_username", "sentinel_password"))
_PARAMETERS: Final = frozenset(("username", "password"))
"""Those of every form. redis-py takes more, but what they would change is not for the user to say."""

_VALUES: Final = {
    "db": (re.compile(r"[0-9]{1,9}"), "a number"),
    "ssl_cert_reqs": (re.compile("none|optional|required"), "none, optional or required"),
    "ssl_check_hostname": (re.compile("true|false"), "true or false"),
}
_ESCAPES: Final = (
    "in user and password '/', '?', '#', '@', '[' and '%' are written %2F, %3F, %23, %40, %5B and %25"
)
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)]|([^\[\]:@/?#%,\s]*))(?::([0-9]{1,5}))?")
_SERVICE: Final = re.compile(r"[A-Za-z0-9._-]+")
"""What Sentinel allows in a name (``sentinelSelectMaster`` wants ``[A-z0-9.-_]``)."""


class Address(NamedTuple):
    """Where something listens.

    Attributes:
        host: name or IP address; empty if none was written.
        port: 1 to 65535; 0 if none was written.
    """

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


@dataclass(frozen=True, slots=True)
class Parts:
    """A URL taken apart.

    Attributes:
        scheme: one of `SCHEMES`.
        user: what is before the ``@``, with its escapes; empty if there is none.
        hosts: in their order; none for a socket.
        path: of the socket with its escapes; the service of Sentinel; else empty.
        db: of the path or the parameter; 0 if none was written.
        parameters: all others behind the ``?``, with their escapes.
    """

    scheme: str
    user: str = field(repr=False)
    hosts: tuple[Address, ...]
    path: str
    db: int
    parameters: Mapping[str, str] = field(repr=False)

    @property
    def tls(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme.startswith("rediss")


def take_apart(url: str) -> Parts:
    """Takes one URL apart.

    Raises:
        ValueError: it is none; the text says what was expected, and quotes nothing that may be a secret.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES or not rest:
        raise ValueError(f"expected a URL of {', '.join(one + '://…' for one in SCHEMES)}")
    before, mark, query = rest.partition("?")
    authority, _, path = before.partition("/")
    user, _, hosts = authority.rpartition("@")
    form = _form(scheme)
    if scheme in SOCKET:
        if hosts or not path or "#" in rest or re.search(r"[\[\]]", user):
            raise ValueError(form)
        path = f"/{path}"
    elif "@" in path + query.partition("=")[0] or "#" in rest or re.search(r"[\[\]\s]", user):
        # An unescaped '/' in a password ends the hosts there: half of the password would be taken for a port and stand
        # in an error, the real host for a database.
        raise ValueError(form)
    parameters = _parameters(scheme, query) if mark else {}
    addresses = () if scheme in SOCKET else _addresses(hosts, form)
    if len(addresses) > 1 and scheme in SINGLE:
        raise ValueError(
            f"expected one host; several Redises are several URLs with a comma between: {scheme}://HOST,{scheme}://HOST"
        )
    path, db = _path_and_db(scheme, path, parameters.pop("db", ""))
    return Parts(scheme, user, addresses, path, db, parameters)


def _form(scheme: str) -> str:
    """How a URL of a scheme is written."""
    where = {
        **dict.fromkeys(SINGLE, "HOST[:PORT][/DB]"),
        **dict.fromkeys(SOCKET, "/PATH[?db=DB]"),
        **dict.fromkeys(SENTINEL, "HOST[:PORT][,HOST[:PORT]…]/SERVICE[/DB]"),
        **dict.fromkeys(CLUSTER, "HOST[:PORT][,HOST[:PORT]…]"),
    }[scheme]
    return f"expected {scheme}://[[USER]:PASSWORD@]{where}; {_ESCAPES}"


def _addresses(hosts: str, form: str) -> tuple[Address, ...]:
    found = []
    for one in hosts.split(","):
        match = _HOST.fullmatch(one)
        if match is None:
            raise ValueError(form)
        found.append(Address(match[1] or match[2] or "", int(match[3] or 0)))
        if match[3] and not 0 < int(match[3]) < 65536:
            raise ValueError(f"expected ports of 1 to 65535; {form}")
    # One host may be left out, as in redis://:6379; of several each is needed.
    if len(found) > 1 and not all(address.host for address in found):
        raise ValueError(form)
    return tuple(found)


def _path_and_db(scheme: str, path: str, parameter: str) -> tuple[str, int]:
    """The path without its database, and the database."""
    written = path
    if scheme in SOCKET:
        written = ""
    elif scheme in SENTINEL:
        path, _, written = path.partition("/")
        if not _SERVICE.fullmatch(path):
            raise ValueError(
                "expected the name of the service behind the hosts of the Sentinels, as in sentinel.conf: letters, "
                f"digits, '.', '-' and '_'; {_form(scheme)}"
            )
    else:
        path = ""
    if written and not _VALUES["db"][0].fullmatch(written):
        raise ValueError(f"expected a number as database; {_form(scheme)}")
    if written and parameter:
        raise ValueError("expected the database once, in the path or as 'db'")
    db = int(written or parameter or 0)
    if db and scheme in CLUSTER:
        raise ValueError("expected no database: a Redis Cluster has 0 alone")
    return path, db


def _parameters(scheme: str, query: str) -> dict[str, str]:
    allowed = _PARAMETERS | {"db"}
    if scheme.startswith("rediss"):
        allowed |= TLS_PARAMETERS
    if scheme in SENTINEL:
        allowed |= SENTINEL_PARAMETERS
    found: dict[str, str] = {}
    for parameter in query.split("&"):
        name, _, value = parameter.partition("=")
        if name not in allowed:
            raise ValueError(_unknown(scheme, name, allowed))
        pattern, expected = _VALUES.get(name, (None, "something"))
        if name in found or not value or (pattern and not pattern.fullmatch(value)):
            raise ValueError(f"expected {name}= once, and {expected} behind it")
        found[name] = value
    if "sentinel_username" in found and "sentinel_password" not in found:
        raise ValueError("expected a sentinel_password with the sentinel_username")
    return found


def _unknown(scheme: str, name: str, allowed: frozenset[str]) -> str:
    if name in TLS_PARAMETERS:
        return f"expected no {name}: it is for TLS, and so for {scheme.replace('redis', 'rediss', 1)}://…"
    if name in SENTINEL_PARAMETERS:
        return f"expected no {name}: it is for redis+sentinel://… and rediss+sentinel://…"
    return f"expected behind the '?' none but {', '.join(sorted(allowed))}, with '&' between; {_ESCAPES}"
