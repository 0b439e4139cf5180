"""What is for several shards, taken apart; and what several have answered, put together. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def by_shard(items: Iterable[T], shard: Callable[[T], int]) -> dict[int, list[T]]:
    """The items of each shard, in their order.

    Args:
        items: whatever there is.
        shard: tells where an item belongs.
    """
    parts: dict[int, list[T]] = {}
    for item in items:
        parts.setdefault(shard(item), []).append(item)
    return parts


def total(parts: int, done: Callable[[int], None]) -> Callable[[int], None]:
    """Tells ``done`` the sum when each of so many parts has told its count."""
    counts: list[int] = []

    def one(count: int) -> None:
        counts.append(count)
        if len(counts) == parts:
            done(sum(counts))

    return one
