"""The dead letters of the bus: the newest ``capacity`` of them."""

from __future__ import annotations

import logging
import time
from collections import Counter
from itertools import islice

from ..codec import decode_dead_letter
from ..errors import CodecError, LayerError
from ..messages import DeadLetterRecord
from ..names import ChannelName, ConnectionId
from ..process.logs import RateLimited

_log = RateLimited(logging.getLogger(__name__))


class DeadLetters:
    """A bounded store of dead letters, oldest first. When it is full the oldest makes room.

    Args:
        capacity: how many it keeps.
        drops: where the bus counts what it drops, by reason.

    Attributes:
        trimmed: how many made room for newer ones.
        turns: connections of which a letter was put back, with the channel and id of the entry that it became.
    """

    __slots__ = ("_drops", "_letters", "_number", "capacity", "trimmed", "turns")

    def __init__(self, capacity: int, drops: Counter[str]) -> None:
        self.capacity = capacity
        self._drops = drops
        self._letters: dict[int, DeadLetterRecord] = {}
        self._number = 0
        self.trimmed = 0
        self.turns: dict[ConnectionId, tuple[ChannelName, str]] = {}

    def __len__(self) -> int:
        return len(self._letters)

    def add(self, body: bytes) -> None:
        """Keeps an encoded dead letter; bytes that are none are kept too, as ``unreadable``."""
        try:
            letter = decode_dead_letter("", body)
        except CodecError as error:
            letter = record("unreadable", ChannelName(""), body, f"CodecError: {error}")
        self.keep(letter)

    def keep(self, letter: DeadLetterRecord) -> None:
        """Keeps a dead letter under an id of its own."""
        self._number += 1
        self._letters[self._number] = letter._replace(id=f"{self._number}-0")
        if len(self._letters) > self.capacity:
            del self._letters[next(iter(self._letters))]
            self.trimmed += 1
            self._drops["dead_letter_overflow"] += 1
            _log.warning("overflow", "oldest dead letter dropped capacity=%d", self.capacity)

    def page(self, after: str, count: int) -> list[DeadLetterRecord]:
        """Up to ``count`` letters behind the id ``after``, from the oldest if that is empty.

        Raises:
            LayerError: ``after`` has not the form of an id.
        """
        number = _number_of(after) if after else 0
        if number is None:
            raise LayerError(f"dead letter id {after!r}: expected one from the list, such as '17-0'")
        return list(islice((letter for key, letter in self._letters.items() if key > number), count))

    def get(self, letter_id: str) -> DeadLetterRecord | None:
        """One letter, or None."""
        number = _number_of(letter_id)
        return None if number is None else self._letters.get(number)

    def pop(self, letter_id: str) -> DeadLetterRecord | None:
        """Takes one letter out, or None."""
        number = _number_of(letter_id)
        return None if number is None else self._letters.pop(number, None)


def record(reason: str, channel: ChannelName, body: bytes, error: str, worker: str = "") -> DeadLetterRecord:
    """A dead letter that the bus itself writes, without an id yet: no handler had anything to do with it."""
    return DeadLetterRecord(
        id="",
        reason=reason,
        channel=channel,
        body=body,
        route="",
        error=error,
        traceback="",
        attempt=0,
        worker=worker,
        session=b"",
        time_s=time.time(),
    )


def _number_of(letter_id: str) -> int | None:
    number, dash, rest = letter_id.partition("-")
    return int(number) if dash and rest == "0" and number.isascii() and number.isdecimal() else None
