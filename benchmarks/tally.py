"""What a load counts."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """The books of a run.

    Attributes:
        sent: messages that clients sent.
        expected: messages that should arrive for them: one, or one a member.
        received: those that did, each the next one of its connection.
        duplicates: those that had been there before.
        mismatched: frames that were something else.
        lost: connections that ended before they were closed.
        latencies_ns: of each message in the measured time, where they are noted.
    """

    sent: int = 0
    expected: int = 0
    received: int = 0
    duplicates: int = 0
    mismatched: int = 0
    lost: int = 0
    latencies_ns: list[int] = field(default_factory=list)
