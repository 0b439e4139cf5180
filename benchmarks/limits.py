"""What a workload may cost, and whether it does. A target is judged in the tables and never fails a test."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .text import FRACTION, fraction


class Value(StrEnum):
    """What of a run a limit is about; the text is how a table says it."""

    FIGURE = ""
    """The workload's own figure."""
    P50_MS = "p50 ms"
    P99_MS = "p99 ms"
    REDIS_CALLS = "Redis calls/message"
    FAILED = "clients that stayed away"
    GROWTH_MIB = "MiB that the servers grew by"


@dataclass(frozen=True, slots=True)
class Limit:
    """The most, or the least, that a value of Trunkline's may be.

    Attributes:
        bound: the number.
        value: what it is about.
        of: to whose runs it is a ratio, the median over pairs: name of a peer, or of another workload, which then takes
            turns with this one; empty for none.
        least: the value must be no less, not no more.
    """

    bound: float
    value: Value = Value.FIGURE
    of: str = ""
    least: bool = False

    def keeps(self, value: float) -> bool:
        """Whether the limit is kept."""
        return value >= self.bound if self.least else value <= self.bound

    def __str__(self) -> str:
        bound = f"{self.bound:g}"
        if self.of:
            bound = fraction(self.bound) if self.bound <= FRACTION else f"{bound}x"
        words = ["≥" if self.least else "≤", bound, f"of {self.of}" if self.of else "", self.value]
        return " ".join(word for word in words if word)
