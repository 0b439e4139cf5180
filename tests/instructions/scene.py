"""What runs under callgrind: the paths of one tier and the yardstick, each lap between two marks.

``python -m tests.instructions.scene interface`` (or ``worker``). It counts nothing itself; see `callgrind`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

from .clock import replace_clocks
from .lap import HotPath
from .reference import REFERENCE

MARK: Final = "getpgid"
"""The C function behind a mark."""
WARM_UP: Final = 1
"""Laps that let CPython specialise its byte code and fill its caches; they do not count."""
LAPS: Final = 3
"""That count. Each finds memory in another state, and their mean scatters less than one of them."""


def mark() -> None:
    """Begins a new part of the count: a call of a C function that nothing else here calls."""
    os.getpgid(0)


def _run(path: HotPath) -> None:
    # Here, because whoever plays a scene replaces the clocks before anything of the product is imported.
    from trunkline.protocol.process.runner import settle_gc

    for _ in range(WARM_UP + LAPS):
        lap = path.lap(path.messages)
        settle_gc()  # as the product does; without it the garbage of a lap's making would be collected within it
        mark()
        lap.work()
        mark()
        lap.check()


async def paths_of(tier: str) -> list[HotPath]:
    """The paths of a tier."""
    if tier == "interface":
        from .interface_paths import interface_paths

        return await interface_paths()
    from .worker_paths import worker_paths

    return await worker_paths()


async def play(tier: str) -> None:
    """Runs every lap, and says at the end which there were: one line for each path."""
    paths = [REFERENCE, *await paths_of(tier)]
    for path in paths:
        _run(path)
    for path in paths:
        print(path.name, path.messages)
    sys.stdout.flush()


if __name__ == "__main__":
    replace_clocks()
    asyncio.run(play(sys.argv[1]))
