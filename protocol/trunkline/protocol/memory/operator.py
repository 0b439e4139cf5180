"""The side of people and their commands, of the in-memory layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..codec import decode_entry, encode_entry
from ..layer import OperatorLayer
from ..messages import ClusterStats, DeadLetterRecord

if TYPE_CHECKING:
    from .bus import MemoryBus


class MemoryOperatorLayer(OperatorLayer):
    """Made by `MemoryBus.operator`. Nothing here waits for anything."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus

    async def stats(self) -> ClusterStats:
        """How long the streams are, who is alive."""
        return self._bus.stats()

    async def dead_letters(self, after: str = "", count: int = 100) -> list[DeadLetterRecord]:
        """Dead letters, oldest first, behind the id ``after``.

        Raises:
            LayerError: ``after`` has not the form of an id.
        """
        return self._bus.dead_letters.page(after, count)

    async def dead_letter(self, letter_id: str) -> DeadLetterRecord | None:
        """One dead letter, or None."""
        return self._bus.dead_letters.get(letter_id)

    async def redrive(self, letter_id: str) -> bool:
        """Puts the message of a dead letter back into its channel, full or not: a person asked for it.

        Raises:
            CodecError: the letter holds garbage, which no handler could take. It stays where it is.
        """
        letter = self._bus.dead_letters.get(letter_id)
        if letter is None:
            return False
        entry = decode_entry(letter.channel, letter.body)
        # The connection has gone on meanwhile: nothing of it waits for this entry any more, which -1 says.
        body = encode_entry(entry._replace(seq=-1)) if entry.path is not None else letter.body
        self._bus.dead_letters.pop(letter_id)
        self._bus.put(letter.channel, body)
        return True

    async def drop(self, letter_id: str) -> bool:
        """Removes a dead letter; False if it is not there."""
        return self._bus.dead_letters.pop(letter_id) is not None

    async def close(self) -> None:
        """There is nothing to end."""
