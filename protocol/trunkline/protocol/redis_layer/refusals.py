"""What Redis refuses to do for a user, in words: who may not do what. Pure.

Redis itself names neither the user nor, where a script was running, the command: it tells the script's hash and line
(https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ..redis_url import user_of
from .scripts import SCRIPTS, Script

HINT: Final = "docs/redis.md has the ACL line it needs"
"""Ends each text about a missing permission."""

_REFUSED = re.compile(
    r"NOPERM|no permissions|can't run this command|can't access at least one of the keys|WRONGPASS|"
    r"invalid username-password|NOAUTH|Authentication required|HELLO must be called"
)
_COMMAND = re.compile(r"run the '([^']+)' command")
_SHA = re.compile(r"(?:f_|script: )([0-9a-f]{40})")
_LINE = re.compile(r"user_script: ?(\d+)")
_CALLED = re.compile(r"redis\.p?call\(([^)]*)")
_QUOTED = re.compile(r"'([A-Z]+)'")


def explained(error: object, url: str, command: Sequence[str | bytes | int] = ()) -> str:
    """The text of an error that Redis answered, or redis-py made of one; about a permission it names user and command.

    Args:
        error: what was answered.
        url: of the Redis; it names the user.
        command: that was answered, if it is known: a script may hand on an error that does not say whose it is.
    """
    text = str(error)
    if not _REFUSED.search(text):
        return text
    user = user_of(url)
    if "permissions" not in text and "can't" not in text:
        return f"user {user!r} is not let in, its password is missing or wrong: {text}"
    script = _script(text, command)
    place = f" in {script.name}.lua" if script is not None else ""
    if "key" in text:
        return f"user {user!r} may not use a key{place}: {text}; {HINT}"
    named = _COMMAND.search(text)
    lacking = named[1].upper().replace("|", " ") if named else _called(script, _LINE.search(text))
    return f"user {user!r} may not run {lacking or 'a command'}{place}: {text}; {HINT}"


def _script(text: str, command: Sequence[str | bytes | int]) -> Script | None:
    found = _SHA.search(text)
    sha = (
        found[1] if found is not None else command[1] if len(command) > 1 and command[0] == "EVALSHA" else ""
    )
    return next((script for script in SCRIPTS.values() if script.sha == sha), None)


def _called(script: Script | None, line: re.Match[str] | None) -> str:
    """What a script calls in a line; without one, what it calls so that an error is handed on."""
    lines = script.text.splitlines() if script is not None else []
    where = (
        lines[int(line[1]) - 1 : int(line[1])]
        if line is not None
        else [row for row in lines if "pcall" in row]
    )
    calls = [call.partition(",")[0] for row in where for call in _CALLED.findall(row)]
    return " or ".join(dict.fromkeys(word for call in calls for word in _QUOTED.findall(call)))
