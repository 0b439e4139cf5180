"""The Lua scripts: their text, their hashes, and the start of each call.

Scripts are named by the SHA-1 of their text (https://redis.io/docs/latest/commands/evalsha/). A link loads all of them
whenever it comes up, so EVALSHA finds them; a NOSCRIPT all the same (somebody ran SCRIPT FLUSH) makes the link start
over.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import NamedTuple

from ..redis_layout import BySlot, Place

_PRELUDES = {
    "commit": ("mailbox", "acknowledge", "common", "effects"),
    "apply": ("mailbox", "effects"),
    "register": ("arrival",),
    "arrive": ("arrival",),
}
_NAMES = (
    "apply",
    "arrive",
    "claim",
    "commit",
    "dead_counts",
    "desired",
    "drop",
    "due",
    "give_back",
    "held",
    "leave",
    "leave_group",
    "publish",
    "reap",
    "redrive",
    "register",
    "renew",
    "restore",
    "retire",
    "rights",
    "serve",
    "tick",
    "waits",
)


class Script(NamedTuple):
    """One script.

    Attributes:
        name: of its file.
        text: as Redis gets it.
        sha: its SHA-1 in hex, the name Redis knows it by.
    """

    name: str
    text: str
    sha: str

    def call(self, keys: list[str], args: list[str | bytes | int]) -> list[str | bytes | int]:
        """The EVALSHA command that runs it."""
        return ["EVALSHA", self.sha, len(keys), *keys, *args]


def _guarded(script: Script) -> Script:
    text = _GUARD + script.text
    return Script(script.name, text, _sha(text))


def _sha(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _load(name: str) -> Script:
    folder = resources.files(__name__.rpartition(".")[0]) / "lua"
    files = (*_PRELUDES.get(name, ()), name)
    text = "".join((folder / f"{file}.lua").read_text("utf-8") for file in files)
    return Script(name, text, _sha(text))


NON_LOCAL = "attempted to access a non local key"
"""What a script gets that asks for a key which may be on another node of a Redis Cluster."""
_GUARD = "redis.call('EXISTS', KEYS[1] .. ':never')\n"
"""While a slot is moved key by key, its node still runs scripts on it, and lets them find those keys that are there
still and fail at the first that is not: in the middle. So a script asks first for a key that is never there. Redises
that are no cluster get the scripts without it."""


SCRIPTS: dict[str, Script] = {name: _load(name) for name in _NAMES}
"""Every script by name."""

GUARDED: dict[str, Script] = {name: _guarded(script) for name, script in SCRIPTS.items()}
"""The same for a Redis Cluster."""


def scripts_of(place: Place) -> dict[str, Script]:
    """The scripts for a place."""
    return GUARDED if isinstance(place, BySlot) else SCRIPTS
