"""The look at the cluster that the page shows: its facts, and the messages that interface servers sampled."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from ..layer import OperatorLayer
from ..process.facts import Facts
from ..process.facts.gatherer import Gatherer
from ..settings import LayerSettings
from .shown import shown
from .waterfalls import Waterfalls

SETTLE_S: Final = 0.5
"""Between the first look and the one that is shown: rates since the start of every process are no answer to "now"."""
OLD_S: Final = 10.0
"""A look before that is no good for rates either."""
EXAMINED_S: Final = 30.0
"""Between two examinations: Redis tells its configuration, its clients and the ends of the mailboxes for them."""

Examine = Callable[[Facts, LayerSettings], Sequence[dict[str, Any]]]
"""What is wrong with a cluster, from the facts of a deep look and the settings of a process; ``trunkline doctor``
knows, and tells each as its ``check``, ``severity``, ``where``, ``what`` and ``fix``."""


class ClusterLook:
    """Looks at the cluster; for one caller at a time.

    Args:
        operator: whom to ask; it stays the caller's to close.
        examine: finds what is wrong; None for nobody who knows.
        sleep: the clock between the first two looks.
    """

    def __init__(
        self,
        operator: OperatorLayer,
        examine: Callable[[Facts], Sequence[dict[str, Any]]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._examine = examine
        self._examined_s = -math.inf
        self._findings: Sequence[dict[str, Any]] = ()
        self._gatherer = Gatherer(operator)
        self._waterfalls = Waterfalls()
        self._sleep = sleep

    async def __call__(self) -> dict[str, Any]:
        """What the page shows now. While Redis does not answer it says so and raises nothing. May be cancelled."""
        deep = self._examine is not None and time.monotonic() - self._examined_s >= EXAMINED_S
        facts = await self._gatherer.look(deep)
        if not facts.unavailable and not 0 < facts.span_s <= OLD_S:
            await self._sleep(SETTLE_S)
            facts = await self._gatherer.look(deep)
        if self._examine is not None and deep and not facts.unavailable:
            self._findings = self._examine(facts)
            self._examined_s = time.monotonic()
        admins = {process.id: process.lease.admin for process in facts.interfaces if process.answers}
        return shown(facts.as_json(), await self._waterfalls.messages(admins), self._findings)

    async def close(self) -> None:
        """Closes the connections to the processes. Idempotent."""
        await self._waterfalls.close()
        await self._gatherer.close()
