"""The loop behind `admission`: looks at the queues, and gives connections their turns to be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from trunkline.protocol.errors import LayerError
from trunkline.protocol.names import ChannelName
from trunkline.protocol.process.pulse import beat

from .admission import LOOK_S, TURN_S
from .shared import Shared
from .tenure import Tenure

QueueWait = Callable[[], Awaitable[Mapping[ChannelName, float]]]
"""The age in seconds of the oldest entry of each channel that no worker was given; raises `LayerError`."""
_TURNS_A_LOOK: Final = round(LOOK_S / TURN_S)


async def look(shared: Shared, queue_wait: QueueWait, tenure: Tenure | None) -> None:
    """Looks at the queues once. A layer that does not answer says nothing about them: `Tenure.up` does."""
    admission = shared.admission
    was_busy = admission.busy
    try:
        waits_s = await queue_wait()
    except LayerError:
        waits_s = {}
    admission.look(waits_s)
    if tenure is not None:
        tenure.busy = admission.busy
        if admission.busy and not was_busy:
            tenure.warn("busy", "workers cannot keep up wait_s=%.1f: reading in turns", admission.wait_s)


def give(shared: Shared, tenure: Tenure | None, passed: int = 1) -> None:
    """Gives those turns that are due when `TURN_S` has passed so often."""
    admission = shared.admission
    received = shared.metrics.messages_in.value
    under_way: int | None = None
    if tenure is not None and admission.busy:
        # Counted only then: to know it always would cost something with every message.
        under_way = sum(connection.flow.held for connection in tenure.connections())
    turns = admission.turns(received, under_way, len(tenure.turns) if tenure is not None else 0, passed)
    if tenure is not None:
        tenure.give_turns(turns)


async def take_turns(
    shared: Shared,
    queue_wait: QueueWait,
    tenure: Callable[[], Tenure | None],
    sleep: Callable[[float], Awaitable[None]] = beat,
) -> None:
    """Goes on for ever; a background loop.

    Args:
        shared: what outlives tenures.
        queue_wait: asked every `LOOK_S`.
        tenure: gives the present one.
        sleep: the clock.
    """
    while True:
        present = tenure()
        await look(shared, queue_wait, present)
        # While workers keep up nobody waits for a turn, and nothing need be done between two looks.
        calm = not shared.admission.busy and (present is None or not present.turns)
        passed = _TURNS_A_LOOK if calm else 1
        for _ in range(0, _TURNS_A_LOOK, passed):
            await sleep(TURN_S * passed)
            give(shared, tenure(), passed)
