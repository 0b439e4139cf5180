"""Tracks: versions of the application's code that serve connections beside each other. Pure.

A worker serves one track, by default the main one, which has no name. A connection is put on a track at its handshake
and stays there: its events go into streams of that track, ``<channel>@<track>``, which only workers of that track
read. While a track has no worker those of the main one read its streams too, so nothing waits for workers that are
not there.

An ``@`` can be in no channel's name, so nobody but an interface server writes into such a stream.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from .errors import InvalidName
from .names import CONNECT, DISCONNECT, RECEIVE, REQUEST, ChannelName

TRACKED: Final = frozenset((CONNECT, RECEIVE, DISCONNECT, REQUEST))
"""The channels that each track has for itself. Background channels are everybody's: no connection waits for them."""
MAIN: Final = ""
"""The track of whoever names none."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.\-]{0,28}[a-z0-9])?")
_SIGN: Final = "@"
_UNTIL: Final = "!until"


class Share(NamedTuple):
    """What a track gets.

    Attributes:
        name: of the track.
        percent: of new connections.
        until_ms: when the newest lease of its workers ends, by Redis' clock; 0 if it never had one.
    """

    name: str
    percent: float
    until_ms: int

    def alive(self, now_ms: int) -> bool:
        """Whether a worker serves it."""
        return self.until_ms > now_ms


def track_name(value: object) -> str:
    """Checks the name of a track: 1 to 30 of ``a-z 0-9 _ . -``, a letter or digit at both ends.

    Raises:
        InvalidName: it is something else.
    """
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise InvalidName(
        f"track {value!r}: expected 1 to 30 of 'a-z', '0-9', '_', '.' and '-', a letter or digit first and last"
    )


def on_track(channel: ChannelName, track: str) -> ChannelName:
    """The name under which a channel of a track is kept; that of the main track is the channel's own."""
    return ChannelName(f"{channel}{_SIGN}{track}") if track and channel in TRACKED else channel


def split_track(name: ChannelName) -> tuple[ChannelName, str]:
    """The channel and the track; the inverse of `on_track`."""
    channel, _, track = name.partition(_SIGN)
    return ChannelName(channel), track


def registered(disconnect: bytes, track: str) -> bytes:
    """What the registry keeps for a connection: the entry that the reaper would publish, behind the track it is for.
    An entry begins with its version, so the two cannot be taken for each other."""
    return f"{_SIGN}{track} ".encode() + disconnect if track else disconnect


def read_shares(fields: Sequence[bytes]) -> list[Share]:
    """The hash ``tracks`` as Redis answers ``HGETALL``. What nobody could have meant counts as nothing."""
    texts = [field.decode("utf-8", "replace") for field in fields]
    values = dict(zip(texts[::2], texts[1::2], strict=False))
    names = sorted({name.removesuffix(_UNTIL) for name in values})
    return [
        Share(name, _percent(values.get(name, "")), _whole(values.get(name + _UNTIL, "")))
        for name in names
        if _NAME.fullmatch(name)
    ]


def orphans(shares: Sequence[Share], now_ms: int) -> list[str]:
    """The tracks that no worker serves any more. One that never had a worker has no connections either."""
    return [share.name for share in shares if share.until_ms and not share.alive(now_ms)]


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return min(100.0, max(0.0, value)) if value == value else 0.0


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0
