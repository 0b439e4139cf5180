"""How many shards newcomers use: a person may raise the number while the process runs (``trunkline shards --use``)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from .shared import Shared

UsedShards = Callable[[], Awaitable[int | None]]
"""How many shards newcomers use, counted from the first; None if nobody knows."""
LOOK_S: Final = 1.0


async def follow(
    shared: Shared, used: UsedShards, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Looks at the number for ever; a background loop. While nobody knows, it stays what it was.

    Args:
        shared: keeps it.
        used: tells it.
        sleep: the clock.
    """
    while True:
        number = await used()
        if number is not None:
            shared.shards_used = number
        await sleep(LOOK_S)
