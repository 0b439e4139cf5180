"""A finding: one thing that is wrong, where, and how it is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from trunkline.protocol.process.facts import Facts
from trunkline.protocol.settings import LayerSettings

Severity = Literal["error", "warning", "note"]
"""``error``: messages are lost or wait now, or soon. ``warning``: they will on a bad day. ``note``: to be known."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found.

    Attributes:
        check: name of the check.
        severity: how bad it is.
        where: which Redis, process, channel.
        what: what is wrong, with the figures.
        fix: what to do.
    """

    check: str
    severity: Severity
    where: str
    what: str
    fix: str

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


Check = Callable[[Facts, LayerSettings], Iterable[Finding]]
"""Takes the facts, and the settings of the cluster as far as the command knows them."""


def percent(share: float) -> str:
    """A share of 0 to 1 as people read it."""
    return f"{share * 100:.0f} %"


def megabytes(count: float) -> str:
    """Bytes as people read them."""
    return f"{count / 1e6:,.1f} MB"


def counted(count: int, noun: str) -> str:
    """A number of something."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
