"""Ids of dead letters over several shards, and their order. Pure.

A letter of shard 0 has the id that it has there. One of another shard has its shard behind an ``@``, as in
``1767225600000-0@1``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})(?:@([1-9][0-9]?))?")


class Place(NamedTuple):
    """Where a dead letter is. Places compare as their letters are listed: by time, then by shard.

    Attributes:
        time: milliseconds and number, the two parts of its id in its shard.
        shard: its shard.
    """

    time: tuple[int, int]
    shard: int

    @property
    def local(self) -> str:
        """Its id in its shard."""
        return f"{self.time[0]}-{self.time[1]}"

    def before(self, shard: int) -> str:
        """The id in a shard behind which the letters stand that are listed behind this one; empty for all of it."""
        if shard <= self.shard:
            return self.local
        # One of the same time in a later shard is listed behind it.
        ms, number = self.time
        if number:
            return f"{ms}-{number - 1}"
        return f"{ms - 1}-{2**64 - 1}" if ms else ""


def place(letter_id: str, shards: int) -> Place | None:
    """Where the letter with an id is; None if no letter can have it.

    Args:
        letter_id: as it is listed.
        shards: how many there are.
    """
    found = _ID.fullmatch(letter_id)
    if found is None:
        return None
    shard = int(found[3] or 0)
    return Place((int(found[1]), int(found[2])), shard) if shard < shards else None


def listed(local_id: str, shard: int) -> str:
    """The id under which a letter of a shard is listed."""
    return f"{local_id}@{shard}" if shard else local_id
