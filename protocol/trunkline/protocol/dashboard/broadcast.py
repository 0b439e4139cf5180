"""One look at the cluster for all who watch, and none while nobody does."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from ..errors import LayerError
from . import events

log = logging.getLogger(__name__)

Facts = Mapping[str, Any]
"""What the page shows, ready for JSON. ``totals``, where there are any, are kept as the past that newcomers see."""

Gather = Callable[[], Awaitable[Facts]]

INTERVAL_S: Final = 2.0
"""Between two looks. Rates over less jump; a person reads no faster."""
LIMIT: Final = 16
"""Viewers. Each costs a socket and one event; more than so many people are a mistake, or mean no good."""
LOOK_LIMIT_S: Final = 10.0
"""A look that takes longer is given up, and said to be."""
KEPT: Final = 90
"""Totals of the past for who comes later: three minutes."""
_GAP: Final = 3
"""Intervals without a look after which the past is no past any more but a gap."""


class Viewer:
    """Somebody who watches; made by `Broadcast.join`. Holds one event at most, the newest: who reads slowly misses some
    and costs no more than others."""

    __slots__ = ("_came", "_event", "closed")

    def __init__(self) -> None:
        self._came = asyncio.Event()
        self._event: bytes | None = None
        self.closed = False

    def put(self, event: bytes) -> None:
        """Gives it an event, in place of one that it has not taken yet."""
        self._event = event
        self._came.set()

    def close(self) -> None:
        """No more will come."""
        self.closed = True
        self._came.set()

    async def take(self, within_s: float) -> bytes | None:
        """The next event, or None if none came in this time or none will come any more. May be cancelled."""
        try:
            async with asyncio.timeout(within_s):
                await self._came.wait()
        except TimeoutError:
            return None
        event, self._event = self._event, None
        if not self.closed:
            self._came.clear()
        return event


class Broadcast:
    """Looks at the cluster while somebody watches.

    Args:
        gather: the look. Where it fails with a `LayerError`, or is too slow, viewers are told.
        interval_s: between two looks.
        limit: how many may watch.
        sleep: the clock between two looks.
    """

    def __init__(
        self,
        gather: Gather,
        interval_s: float = INTERVAL_S,
        limit: int = LIMIT,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sleep = sleep
        self._gather = gather
        self._limit = limit
        self.interval_s = interval_s
        self._viewers: set[Viewer] = set()
        self._task: asyncio.Task[None] | None = None
        self._past: deque[tuple[float, Any]] = deque(maxlen=KEPT)
        # Ids are told apart from those of another process at the same port, to which a browser may come back.
        self._run = secrets.token_hex(4)
        self._number = 0
        self._newest = b""

    @property
    def viewers(self) -> int:
        """How many watch."""
        return len(self._viewers)

    @property
    def newest_id(self) -> str:
        """Id of the newest event."""
        return f"{self._run}-{self._number}"

    def join(self, last_id: str = "") -> Viewer | None:
        """Lets somebody watch; None if as many do as may. Who comes back and has the newest event already is not given
        it again.

        Args:
            last_id: of the event that the browser saw last.
        """
        if len(self._viewers) >= self._limit:
            return None
        viewer = Viewer()
        self._viewers.add(viewer)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._look_on(), name="dashboard")
            self._task.add_done_callback(self._ended)
        elif self._newest and last_id != self.newest_id:
            viewer.put(self._newest)
        return viewer

    def leave(self, viewer: Viewer | None) -> None:
        """Somebody watches no more, or never did. Idempotent."""
        if viewer is not None:
            self._viewers.discard(viewer)
        if not self._viewers and self._task is not None:
            self._task.cancel()
            self._task = None
            self._newest = b""

    def past(self) -> list[Any]:
        """The totals of the last looks, oldest first; none where nobody had looked for a while."""
        since_s = time.monotonic() - self._past[-1][0] if self._past else 0.0
        if since_s > _GAP * self.interval_s:
            self._past.clear()
        return [totals for _, totals in self._past]

    async def close(self) -> None:
        """Sends everybody away and ends the look under way. Idempotent."""
        task = self._task
        self._send_away()
        if task is not None:
            await asyncio.wait([task])

    def _send_away(self) -> None:
        for viewer in list(self._viewers):
            viewer.close()
            self.leave(viewer)

    async def _look_on(self) -> None:
        while True:
            began_s = time.monotonic()
            name, facts = await self._look()
            self._number += 1
            self._newest = events.event(name, json.dumps(facts, allow_nan=False), self.newest_id)
            for viewer in self._viewers:
                viewer.put(self._newest)
            await self._sleep(max(0.0, began_s + self.interval_s - time.monotonic()))

    async def _look(self) -> tuple[str, Facts]:
        try:
            async with asyncio.timeout(LOOK_LIMIT_S):
                facts = await self._gather()
        except LayerError as error:
            return "trouble", {"text": str(error)}
        except TimeoutError:
            return "trouble", {"text": f"a look at the cluster took over {LOOK_LIMIT_S:g} s"}
        self.past()  # forgets what a gap has made old
        self._past.append((time.monotonic(), facts.get("totals")))
        return "facts", facts

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        # A mistake of ours must not take the process down with it; who watches comes again in a moment.
        log.error("the dashboard's look at the cluster failed", exc_info=task.exception())
        if self._task is task:
            self._send_away()
