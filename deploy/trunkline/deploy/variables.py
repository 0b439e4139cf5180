"""The variables of both tiers, looked at by a command before it starts processes that would each refuse them."""

from __future__ import annotations

from trunkline.interface.settings import InterfaceSettings
from trunkline.protocol.errors import ConfigError
from trunkline.protocol.settings import Settings, parse
from trunkline.worker.settings import WorkerOptions

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


def text(value: object) -> str:
    """A setting's value as it stands in a variable; nothing for one that was not given."""
    if value is None:
        return ""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
