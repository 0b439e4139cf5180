"""The look at the cluster that the page shows: its facts, and the messages that interface servers sampled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ..layer import OperatorLayer
from ..process.facts.gatherer import Gatherer
from .shown import shown
from .waterfalls import Waterfalls

SETTLE_S: Final = 0.5
"""Between the first look and the one that is shown: rates since the start of every process are no answer to "now"."""
OLD_S: Final = 10.0
"""A look before that is no good for rates either."""


class ClusterLook:
    """Looks at the cluster; for one caller at a time.

    Args:
        operator: whom to ask; it stays the caller's to close.
        sleep: the clock between the first two looks.
    """

    def __init__(
        self, operator: OperatorLayer, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._gatherer = Gatherer(operator)
        self._waterfalls = Waterfalls()
        self._sleep = sleep

    async def __call__(self) -> dict[str, Any]:
        """What the page shows now. While Redis does not answer it says so and raises nothing. May be cancelled."""
        facts = await self._gatherer.look()
        if not facts.unavailable and not 0 < facts.span_s <= OLD_S:
            await self._sleep(SETTLE_S)
            facts = await self._gatherer.look()
        admins = {process.id: process.lease.admin for process in facts.interfaces if process.answers}
        return shown(facts.as_json(), await self._waterfalls.messages(admins))

    async def close(self) -> None:
        """Closes the connections to the processes. Idempotent."""
        await self._waterfalls.close()
        await self._gatherer.close()
