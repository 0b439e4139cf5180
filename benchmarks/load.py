"""What a kind of steady load is to those that run it; and the one that sends nothing."""

from __future__ import annotations

from typing import Protocol

from .client import Socket
from .speech import Speech
from .tally import Tally


class Load(Protocol):
    """A kind of load that goes on evenly until it is stopped."""

    tally: Tally

    def socket(self, index: int) -> Socket:
        """Makes a connection."""
        ...

    def start(self) -> None:
        """Begins to send."""
        ...

    def stop(self) -> None:
        """Sends nothing more; what is outstanding still arrives."""
        ...


class IdleLoad:
    """Open connections and no messages.

    Args:
        speech: how messages are wrapped.
    """

    def __init__(self, speech: Speech) -> None:
        self.tally = Tally()
        self._speech = speech

    def socket(self, index: int) -> Socket:
        """Makes a connection."""
        return Socket(self.tally, self._speech)

    def start(self) -> None:
        """Sends nothing."""

    def stop(self) -> None:
        """Sends nothing."""
