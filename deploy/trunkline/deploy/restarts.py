"""When a process that died is started again: at once, a little later, or never. Pure; circus does the starting."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.protocol.exit_codes import ExitCode

STEADY_S = 10.0
"""A process that lived this long had started well: its death says nothing about the next one's chances."""

FIRST_DELAY_S = 0.5
MAX_DELAY_S = 30.0

HOPELESS = frozenset({ExitCode.USAGE, ExitCode.ROUTING})
"""Starting again changes nothing until a person has mended a setting or the routing module."""


@dataclass(frozen=True, slots=True)
class Again:
    """Start another after ``delay_s`` seconds; None is never."""

    delay_s: float | None

    def __str__(self) -> str:
        if self.delay_s is None:
            return "not started again until the next scale or up"
        return f"started again in {self.delay_s:g} s" if self.delay_s else "started again at once"


class Restarts:
    """The back-off of one role.

    The first death is answered at once, so that traffic goes on. Processes that die young one after the other wait
    twice as long each time, up to `MAX_DELAY_S`; one that lived for `STEADY_S` begins the count anew.
    """

    __slots__ = ("_died_young",)

    def __init__(self) -> None:
        self._died_young = 0

    def died(self, lived_s: float, exit_code: int | None) -> Again:
        """Decides about a process that ended without being asked to.

        Args:
            lived_s: seconds since its start.
            exit_code: negative for a signal, None if unknown.
        """
        if exit_code in HOPELESS:
            return Again(None)
        if lived_s >= STEADY_S:
            self._died_young = 0
            return Again(0.0)
        self._died_young += 1
        if self._died_young == 1:
            return Again(0.0)
        # Capped before the power, which would be a number of many digits after a week of dying.
        return Again(min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** min(self._died_young - 2, 10)))
