"""The Lua scripts: their text, their hashes, and the start of each call.

Scripts are named by the SHA-1 of their text (https://redis.io/docs/latest/commands/evalsha/). A link loads all of them
whenever it comes up, so EVALSHA finds them; a NOSCRIPT all the same (somebody ran SCRIPT FLUSH) makes the link start
over.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import NamedTuple

_PRELUDES = {"commit": "effects", "apply": "effects", "register": "arrival", "arrive": "arrival"}
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


def _load(name: str) -> Script:
    folder = resources.files(__name__.rpartition(".")[0]) / "scripts"
    text = (folder / f"{name}.lua").read_text("utf-8")
    if name in _PRELUDES:
        text = (folder / f"{_PRELUDES[name]}.lua").read_text("utf-8") + text
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


SCRIPTS: dict[str, Script] = {name: _load(name) for name in _NAMES}
"""Every script by name."""
