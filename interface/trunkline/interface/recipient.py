"""Whom a mailbox operation can be for: a WebSocket, an HTTP exchange, or a trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .publisher import Owner


class Recipient(Owner, Protocol):
    """What stands behind a connection id."""

    def released(self, seq: int, payloads: Sequence[Any], now_s: float) -> None:
        """The entry that began with event ``seq`` is done and ``payloads`` are for this recipient; ``now_s`` is
        `time.perf_counter` of the batch. An entry that is not in flight is a replay: dropped and counted."""

    def sent(self, seq: int, payload: Any) -> None:
        """A payload is for this recipient, from the handling of entry ``seq``, or from elsewhere if that is -1."""

    def abandon(self, status: int, text: str) -> None:
        """The interface starts over or stops: answer what is not answered with this HTTP status."""
