"""What a request is called: its Redis command in upper case, or which of our scripts it runs, in lower case."""

from __future__ import annotations

import hashlib

from tests.faults.resp import words
from trunkline.protocol.redis_layer.scripts import GUARDED, SCRIPTS

_BY_SHA = {scripts[name].sha.encode(): name for scripts in (SCRIPTS, GUARDED) for name in SCRIPTS}
_known: dict[bytes, str] = {}  # a command's first word as it was spelt, to its name


def name_of(request: bytes) -> str:
    """The name of a request; of a script that is not ours, ``EVALSHA`` or ``EVAL``.

    Raises:
        RespError: it is no array of bulk strings.
    """
    found = words(request, 2)
    first = found[0] if found else b""
    name = _known.get(first)
    if name is None:
        name = _known[first] = first.decode("ascii", "replace").upper()
    if name == "EVALSHA":
        return _BY_SHA.get(found[1].lower(), name)
    if name == "EVAL":
        return _BY_SHA.get(hashlib.sha1(found[1], usedforsecurity=False).hexdigest().encode(), name)
    return name


def check_name(name: str) -> None:
    """Lets a misspelt name fail at once, and not after a wait in vain.

    Raises:
        ValueError: neither an upper-case command nor one of our scripts.
    """
    if name not in SCRIPTS and not name.isupper():
        raise ValueError(
            f"{name!r} is neither a Redis command in upper case nor a script of ours: {', '.join(SCRIPTS)}"
        )
