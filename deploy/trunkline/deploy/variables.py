"""The variables of both tiers, looked at by a command before it starts processes that would each refuse them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from trunkline.interface.settings import InterfaceSettings
from trunkline.protocol.errors import ConfigError
from trunkline.protocol.settings import Settings, parse
from trunkline.worker.settings import WorkerOptions

from . import settings as _of_verbs  # noqa: F401  (declares the settings of all verbs)

PREFIX = "TRUNKLINE_"
_SIMILAR = 0.9
"""How alike names must be (difflib's ratio); half of each is the prefix."""

_READERS: tuple[tuple[type[Settings], list[str]], ...] = (
    # As `dev` and `up` run them: on a port that they hold themselves and share.
    (InterfaceSettings, ["--reuse-port"]),
    (WorkerOptions, []),
)


def check() -> None:
    """Reads what interface servers and workers would read from the environment.

    Raises:
        ConfigError: values are wrong; the text has a line for each.
    """
    mistakes: list[str] = []
    for settings, flags in _READERS:
        try:
            parse(settings, flags, "trunkline")
        except ConfigError as error:
            mistakes += str(error).splitlines()
    if mistakes:
        raise ConfigError("\n".join(dict.fromkeys(mistakes)))


def misspelt(names: Iterable[str]) -> list[str]:
    """A sentence for each variable that is no setting and nearly is one.

    One that resembles none is somebody else's, and may be called as it likes.

    Args:
        names: of all variables.
    """
    known = {f"{PREFIX}{name.upper()}" for declared in _declared(Settings) for name in declared.model_fields}
    found = []
    for name in sorted(name for name in names if name.startswith(PREFIX) and name not in known):
        near = difflib.get_close_matches(name, known, 1, _SIMILAR)
        found += [f"{name} is no setting and does nothing: did you mean {near[0]}?"] if near else []
    return found


def _declared(base: type[Settings]) -> Iterable[type[Settings]]:
    for declared in base.__subclasses__():
        yield declared
        yield from _declared(declared)


def text(value: object) -> str:
    """A setting's value as it stands in a variable; nothing for one that was not given."""
    if value is None:
        return ""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
