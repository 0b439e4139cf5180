"""Dead letters put back or dropped, one by one, with what came of each.

Letters of one connection go back in the order of its events, each when the one before it has been handled: the layer
refuses a second one until then. Letters whose turn has not come stay letters, so an end at any moment loses nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from trunkline.protocol.codec import decode_entry
from trunkline.protocol.errors import CodecError
from trunkline.protocol.layer import OperatorLayer
from trunkline.protocol.messages import DeadLetterRecord
from trunkline.protocol.redriving import again, number

_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.25

TEXTS = {
    "put_back": "put back",
    "put_back_gone": "put back; its connection is gone, so what its handler sends to it is dropped",
    "dropped": "dropped",
    "missing": "there is no such dead letter",
    "no_message": "stays: it holds no message that a handler could take",
    "full": "stays: its channel is full; try again when its workers have caught up",
    "busy": "stays: a letter of the same connection that was put back before is not handled yet",
    "behind": "stays: one of the same connection that comes before it stays, too",
    "unknown": "interrupted at this one: 'trunkline dead show' tells whether it is still there",
}
"""What came of a letter, in words."""


class Result(NamedTuple):
    """What came of one letter.

    Attributes:
        id: of the letter.
        outcome: a key of `TEXTS`.
    """

    id: str
    outcome: str

    @property
    def done(self) -> bool:
        """Whether that is what was asked for."""
        return self.outcome in ("put_back", "put_back_gone", "dropped")


class Planned(NamedTuple):
    """A letter to put back.

    Attributes:
        id: of the letter.
        connection: whose order it belongs to; its own id for a message without one.
        number: of its event.
    """

    id: str
    connection: str
    number: int


class Changes:
    """Changes letters.

    Args:
        layer: that keeps them.
        report: told of each letter what came of it.

    Attributes:
        results: what came of all so far.
        under_way: id of the letter that is being changed now, or empty.
    """

    def __init__(self, layer: OperatorLayer, report: Callable[[Result], None]) -> None:
        self._layer = layer
        self._report = report
        self.results: list[Result] = []
        self.under_way = ""

    def tell(self, letter_id: str, outcome: str) -> None:
        """Notes what came of a letter."""
        self.under_way = ""
        result = Result(letter_id, outcome)
        self.results.append(result)
        self._report(result)

    async def drop(self, ids: list[str]) -> None:
        """Drops letters.

        Cancellation, and `LayerUnavailable`: nobody knows of the one in `under_way`; those behind it stay.
        """
        for letter_id in ids:
            self.under_way = letter_id
            dropped = await self._layer.drop(letter_id)
            self.tell(letter_id, "dropped" if dropped else "missing")
            _end_if_cancelled()

    async def redrive(self, letters: AsyncIterator[DeadLetterRecord], wait_s: float) -> None:
        """Puts letters back.

        Args:
            letters: which; all are looked at first, because what fails again becomes a letter again.
            wait_s: how long nothing may go on before those that wait for their turn are left.

        Cancellation, and `LayerUnavailable`: as for `drop`.
        """
        chains: dict[str, list[Planned]] = {}
        async for letter in letters:
            try:
                planned = plan(letter)
            except CodecError:
                self.tell(letter.id, "no_message")
            else:
                chains.setdefault(planned.connection, []).append(planned)
        lines = {name: deque(sorted(chain, key=lambda one: one.number)) for name, chain in chains.items()}
        await self._go(lines, wait_s)

    async def _go(self, lines: dict[str, deque[Planned]], wait_s: float) -> None:
        gave_up_s = time.monotonic() + wait_s
        pause_s = _FIRST_PAUSE_S
        stuck: dict[str, str] = {}
        while lines:
            went_on = False
            for name in list(lines):
                outcome = await self._put_back(lines[name][0].id)
                if outcome in ("busy", "full"):
                    stuck[name] = outcome
                    _end_if_cancelled()
                    continue
                went_on = True
                self.tell(lines[name].popleft().id, outcome)
                _end_if_cancelled()
                if not lines[name]:
                    del lines[name]
            if went_on:
                gave_up_s = time.monotonic() + wait_s
                pause_s = _FIRST_PAUSE_S
            elif time.monotonic() >= gave_up_s:
                break
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        for name, line in lines.items():
            for place, planned in enumerate(line):
                self.tell(planned.id, "behind" if place else stuck[name])

    async def _put_back(self, letter_id: str) -> str:
        self.under_way = letter_id
        outcome, gone = await self._layer.redrive(letter_id)
        self.under_way = ""
        return "put_back_gone" if gone else outcome


def _end_if_cancelled() -> None:
    """Ctrl-C cancels this task, and redis-py swallows that when it comes together with an answer."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def plan(letter: DeadLetterRecord) -> Planned:
    """Where a letter stands in its connection's order.

    Raises:
        CodecError: it holds no message that a handler could take.
    """
    message = again(letter)
    if message.connection is None:
        return Planned(letter.id, letter.id, 0)
    return Planned(letter.id, message.connection, number(decode_entry(letter.channel, letter.body)) or 0)
