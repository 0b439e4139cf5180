"""A Redis URL: whether it is one, and how it may be shown. Pure.

A URL may hold a password, before its host or behind a ``?``, and what stands in an error, in a log or in ``status`` is
read by more people than may know it.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlsplit

SCHEMES: Final = ("redis", "rediss", "unix")

HIDDEN: Final = "***"
_SHOWN_PARAMETERS: Final = frozenset(
    (
        "db",
        "ssl_ca_certs",
        "ssl_ca_path",
        "ssl_certfile",
        "ssl_cert_reqs",
        "ssl_check_hostname",
        "ssl_keyfile",
    )
)
"""Behind the ``?`` only these are shown: redis-py takes a password there too, and so does a mistyped name of one."""
_SECRET_PARAMETERS: Final = frozenset(("username", "password"))
"""Of these at least the name is."""


def check_redis_url(value: str) -> str:
    """Checks the URL of a Redis: ``redis://``, ``rediss://`` or ``unix://`` and something behind it.

    Raises:
        ValueError: it is none; the text does not quote it.
    """
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in SCHEMES or not rest:
        raise ValueError(f"expected a URL of {', '.join(s + '://…' for s in SCHEMES)}")
    if scheme != "unix" and not _is_host(value):
        raise ValueError(
            f"expected {scheme}://[[USER]:PASSWORD@]HOST[:PORT][/DB]; in user and password '/', '?', '#', '@', '[' and "
            "'%' are written %2F, %3F, %23, %40, %5B and %25"
        )
    return value


def _is_host(url: str) -> bool:
    # An unescaped '/' in a password ends the host there: half of the password would be taken for a port and stand in
    # an error, the real host for a database.
    try:
        parts = urlsplit(url)
        port = parts.port  # raises for what is no number
    except ValueError:
        return False
    return port != 0 and "@" not in parts.path + parts.fragment + parts.query.partition("=")[0]


def user_of(url: str) -> str:
    """The ACL user a URL names; without one Redis takes ``default``."""
    try:
        return unquote(urlsplit(url).username or "") or "default"
    except ValueError:
        return "default"


def without_secrets(url: str) -> str:
    """A Redis URL, or what somebody took for one, as it may be shown: without user, password and unknown parameters."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    place, mark, query = rest.partition("?")
    if "@" in query:
        # A password with an unescaped '?', or a parameter with an '@': who can tell where it ends?
        return f"{scheme}{separator}{HIDDEN}"
    _, at, place = place.rpartition("@")
    shown = "&".join(map(_shown, query.split("&"))) if mark else ""
    return f"{scheme}{separator}{HIDDEN if at else ''}{at}{place}{mark}{shown}"


def _shown(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    if name in _SHOWN_PARAMETERS:
        return parameter
    # What stands before a '=' may be a part of a password, too: one with an unescaped '&'.
    return f"{name}={HIDDEN}" if equals and name in _SECRET_PARAMETERS else HIDDEN
