"""What Redis refuses to do for a user, in words: who may not do what. Pure.

Redis itself names neither the user nor, where a script was running, the command: it tells the script's hash and line
(https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/).
"""

from __future__ import annotations

import re
from typing import Final

from ..redis_url import user_of
from .scripts import SCRIPTS

HINT: Final = "docs/redis.md has the ACL line it needs"
"""Ends each text about a missing permission."""

_REFUSED = re.compile(
    r"NOPERM|no permissions|can't run this command|can't access at least one of the keys|WRONGPASS|"
    r"invalid username-password|NOAUTH|Authentication required|HELLO must be called"
)
_COMMAND = re.compile(r"run the '([^']+)' command")
_SCRIPT = re.compile(r"(?:f_|script: )([0-9a-f]{40})")
_LINE = re.compile(r"user_script: ?(\d+)")
_CALLED = re.compile(r"redis\.p?call\(([^)]*)")
_QUOTED = re.compile(r"'([A-Z]+)'")
_SCRIPT_NAMES = {script.sha: name for name, script in SCRIPTS.items()}


def explained(error: object, url: str) -> str:
    """The text of an error that Redis answered, or redis-py made of one; about a permission it names user and command.

    Args:
        error: what was answered.
        url: of the Redis; it names the user.
    """
    text = str(error)
    if not _REFUSED.search(text):
        return text
    user = user_of(url)
    if "permissions" not in text and "can't" not in text:
        return f"user {user!r} is not let in, its password is missing or wrong: {text}"
    if "key" in text:
        return f"user {user!r} may not use a key{_place(text)}: {text}; {HINT}"
    named = _COMMAND.search(text)
    command = named[1].upper().replace("|", " ") if named else _commands_at(text)
    return f"user {user!r} may not run {command or 'a command'}{_place(text)}: {text}; {HINT}"


def _place(text: str) -> str:
    script = _SCRIPT.search(text)
    name = _SCRIPT_NAMES.get(script[1]) if script is not None else None
    return f" in {name}.lua" if name is not None else ""


def _commands_at(text: str) -> str:
    """The commands in the line of the script that failed."""
    script, line = _SCRIPT.search(text), _LINE.search(text)
    name = _SCRIPT_NAMES.get(script[1]) if script is not None else None
    if name is None or line is None:
        return ""
    lines = SCRIPTS[name].text.splitlines()
    at = int(line[1]) - 1
    called = _CALLED.findall(lines[at]) if at < len(lines) else []
    return " or ".join(dict.fromkeys(word for call in called for word in _QUOTED.findall(call.partition(",")[0])))
