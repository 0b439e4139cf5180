"""Where the connections of a run go, and in which group each is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .client import Socket
from .opening import Door, open_all, source_of
from .spec import Spec
from .speech import Speech

S = TypeVar("S", bound=Socket)


def door(spec: Spec, index: int) -> Door:
    """Where the connection with this index goes: the ports take turns."""
    target = spec.target
    turn, which = divmod(index, len(target.ports))
    return Door(target.host, target.ports[which], target.path, source_of(turn))


async def open_crowd(
    spec: Spec,
    speech: Speech,
    make: Callable[[int], S],
    count: int,
    room_of: Callable[[int], int] | None = None,
) -> list[S]:
    """Opens the connections of a run.

    Args:
        spec: the run.
        speech: how its messages are wrapped.
        make: makes the socket with this index.
        count: how many.
        room_of: index to the number of its room, where there are several.

    Raises:
        Refused: the server would not have one.
        OSError: nobody listens there.
    """

    def room(index: int) -> str:
        return spec.run if room_of is None else f"{spec.run}r{room_of(index)}"

    return await open_all(make, count, speech, lambda index: door(spec, index), room)
