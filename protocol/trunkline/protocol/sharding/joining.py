"""A process joins the shards that were away when it began, one after the other as they come back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from ..errors import LayerUnavailable

log = logging.getLogger(__name__)

RETRY_S: Final = 0.5
TOLD_EVERY: Final = 60
"""Attempts between two log lines about the same."""


class Joins(Protocol):
    """What joins shards."""

    @property
    def missing(self) -> list[int]:
        """The shards that it has not joined yet."""
        ...

    async def join(self, shard: int) -> None:
        """Joins one of them.

        Raises:
            LayerUnavailable: it does not answer.
        """


async def join_missing(
    who: Joins,
    agree: Callable[[], Awaitable[Mapping[int, str]]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Returns when none is missing. May be cancelled.

    Args:
        who: joins them.
        agree: sees to it that all processes have the same shards, and tells which are away; asked before any is joined.
        sleep: the clock.

    Raises:
        ConfigError: a shard that is back is another than all other processes have in its place. What was joined before
            was in order; but this process must not live on, for it will never be on all shards.
    """
    attempt = 0
    while who.missing:
        await sleep(RETRY_S)
        try:
            away = await agree()
            for shard in who.missing:
                if shard not in away:
                    await who.join(shard)
                    log.warning("joined shard=%d, which was away when this process began", shard)
        except LayerUnavailable as error:
            if attempt % TOLD_EVERY == 0:
                log.warning("cannot join all shards yet: %s", error)
        attempt += 1
