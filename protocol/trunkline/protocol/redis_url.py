"""``--redis-url``: whether it can be used, and how it may be shown. Pure. What it says is `redis_layout`'s.

A URL may hold a password, before its host or behind a ``?``, and what stands in an error, in a log or in ``status`` is
read by more people than may know it.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlsplit

from .names import MAX_SHARDS, slot_of_shard
from .redis_layout import BySlot, OfCluster, Places, layout_of, urls_of
from .redis_parts import SECRET_PARAMETERS, TLS_PARAMETERS

CLUSTER_SHARDS: Final = 4
"""Of a Redis Cluster, unless somebody says so: few enough for each process to be connected to all, and of three
primaries that share the slots evenly each has one at least."""
HIDDEN: Final = "***"
_SHOWN_PARAMETERS: Final = frozenset(("db", *TLS_PARAMETERS)) - SECRET_PARAMETERS
"""Behind the ``?`` only these are shown: redis-py takes a password there too, and so does a mistyped name of one."""


def check_redis_url(value: str) -> str:
    """Checks what somebody gave as ``--redis-url``.

    Raises:
        ValueError: it is no layout that this version can use; the text does not quote it.
    """
    places_of(value)
    return value


def places_of(value: str, shards: int = 0) -> Places:
    """The Redis of each shard, in the order of the shards' numbers.

    Args:
        value: ``--redis-url``.
        shards: how many there shall be in a Redis Cluster; 0 for `CLUSTER_SHARDS`.

    Raises:
        ValueError: something is wrong with it; the text does not quote it.
    """
    layout = layout_of(value)
    if isinstance(layout, OfCluster):
        return tuple(BySlot(layout, slot_of_shard(shard)) for shard in range(shards or CLUSTER_SHARDS))
    if shards not in (0, len(layout)):
        raise ValueError(f"expected {shards} URLs, as many as --shards says, got {len(layout)}")
    if len(layout) > MAX_SHARDS:
        raise ValueError(f"expected at most {MAX_SHARDS} URLs, each of one shard")
    if len(set(layout)) < len(layout):
        raise ValueError("expected each URL once: each is a shard of its own")
    return layout


def user_of(url: str) -> str:
    """The ACL user a URL names; without one Redis takes ``default``."""
    try:
        return unquote(urlsplit(url).username or "") or "default"
    except ValueError:
        return "default"


def without_secrets(url: str) -> str:
    """Redis URLs, or what somebody took for some, as they may be shown: without user, password, unknown parameters."""
    try:
        layout_of(url)
    except ValueError:
        return _shown(url)  # Who can tell where in it the secrets end?
    return ",".join(map(_shown, urls_of(url)))


def _shown(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    place, mark, query = rest.partition("?")
    if "@" in query:
        # A password with an unescaped '?', or a parameter with an '@': who can tell where it ends?
        return f"{scheme}{separator}{HIDDEN}"
    _, at, place = place.rpartition("@")
    shown = "&".join(map(_shown_parameter, query.split("&"))) if mark else ""
    return f"{scheme}{separator}{HIDDEN if at else ''}{at}{place}{mark}{shown}"


def _shown_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    if name in _SHOWN_PARAMETERS:
        return parameter
    # What stands before a '=' may be a part of a password, too: one with an unescaped '&'.
    return f"{name}={HIDDEN}" if equals and name in SECRET_PARAMETERS else HIDDEN
