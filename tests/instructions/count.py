"""The count of all paths: each tier's scene under callgrind, both at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from .callgrind import count
from .gates import Cost, costs

TIERS: Final = ("interface", "worker")


def count_all(valgrind: str) -> list[Cost]:
    """What a message costs on every path.

    Raises:
        CountError: nothing could be counted.
    """
    with ThreadPoolExecutor(len(TIERS)) as pool:
        found = pool.map(partial(count, valgrind), TIERS)
        return [cost for tier in found for cost in costs(tier)]
