"""What is known of one connection while it lives, and a little longer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

RECENT = 64
"""Group messages that a page remembers to have been heard, so that one heard again is told from one nobody sent."""


class End(Enum):
    """How a connection ended, as its client saw it."""

    NOT_YET = "not yet"
    REFUSED = "refused"
    """The client was never told that it is open; whether the connect handler has run it cannot know."""
    CLOSED = "closed"
    """By the client, and the server has answered."""
    CUT = "cut"
    """By the server, by a reset, by a death."""


@dataclass(slots=True)
class Page:
    """One connection.

    Attributes:
        name: of the connection.
        since_s: last progress: something was opened, sent behind nothing, heard or read.
        open: its client was told so.
        end: how its client saw it end.
        sent: frames it sent.
        replied: replies it heard, so the number of the next.
        told: what the last of them said that its session had counted.
        here: the ledger has its connect.
        noted: frames in the ledger, so the number of the next.
        counted: what the last of them said that the session had counted.
        gone: close code in the ledger's disconnect; None while that is missing.
        tallies: frames in the ledger whose background message is missing there.
        rooms: it is a member of, by the ledger.
        owed: group messages in the ledger that it has not heard, each with the time.
        ahead: group messages it heard that are not in the ledger yet, each with the time.
        recent: group messages last heard.
        reported: it stood still for too long, and this was said.
    """

    name: str
    since_s: float
    open: bool = False
    end: End = End.NOT_YET
    sent: int = 0
    replied: int = 0
    told: int = 0
    here: bool = False
    noted: int = 0
    counted: int = 0
    gone: int | None = None
    tallies: set[int] = field(default_factory=set)
    rooms: set[str] = field(default_factory=set)
    owed: deque[tuple[str, float]] = field(default_factory=deque)
    ahead: deque[tuple[str, float]] = field(default_factory=deque)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=RECENT))
    reported: bool = False

    @property
    def ended(self) -> bool:
        """Its client hears no more."""
        return self.end is not End.NOT_YET

    @property
    def settled(self) -> bool:
        """Nothing of it is missing, and nothing may come any more."""
        return self.ended and self.gone is not None and not self.tallies and not self.ahead

    def match(self) -> list[tuple[str, str]]:
        """Compares what it heard of its groups with what the ledger owes it, front to front.

        Returns:
            Kind of fault and message, for each fault.
        """
        found: list[tuple[str, str]] = []
        owed, ahead = self.owed, self.ahead
        while ahead:
            heard = ahead[0][0]
            if owed and owed[0][0] == heard:
                owed.popleft()
            elif any(text == heard for text, _ in owed):
                while owed[0][0] != heard:
                    found.append(("lost", owed.popleft()[0]))
                owed.popleft()
            elif heard in self.recent:
                found.append(("doubled", heard))
            else:
                break  # the ledger is not read so far; `Books.look` minds how long that takes
            self.recent.append(heard)
            ahead.popleft()
        if self.ended and not ahead:
            owed.clear()  # nobody is there to hear it
        return found
