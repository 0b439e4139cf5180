"""The side of people and their commands, of the in-memory layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..layer import OperatorLayer
from ..messages import ClusterStats, DeadLetterRecord
from ..redriving import Redriven, again

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

    async def redrive(self, letter_id: str) -> Redriven:
        """See `layer.OperatorLayer.redrive`.

        Raises:
            CodecError: the letter holds no message that a handler could take. It stays where it is.
        """
        bus = self._bus
        letter = bus.dead_letters.get(letter_id)
        if letter is None:
            return Redriven("missing")
        message = again(letter)
        connection = message.connection
        turns = bus.dead_letters.turns
        turn = turns.get(connection) if connection is not None else None
        if turn is not None and bus.stream(turn[0]).holds(turn[1]):
            return Redriven("busy")
        if bus.stream(message.channel).full:
            return Redriven("full")
        bus.dead_letters.pop(letter_id)
        gone = False
        if connection is not None and message.interface is not None:
            found = bus.registry.get(message.interface)
            gone = found is None or connection not in found.connections
            if gone and letter.session and not bus.sessions.read(connection, bus.clock()):
                bus.sessions.write(connection, letter.session, False, bus.clock())
        entry_id = bus.put(message.channel, message.body)
        if connection is not None:
            turns[connection] = (message.channel, entry_id)
        return Redriven("put_back", gone)

    async def drop(self, letter_id: str) -> bool:
        """Removes a dead letter; False if it is not there."""
        return self._bus.dead_letters.pop(letter_id) is not None

    async def close(self) -> None:
        """There is nothing to end."""
