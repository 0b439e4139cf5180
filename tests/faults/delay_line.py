"""Chunks that arrive later than they were sent, in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class DelayLine:
    """One direction of a connection.

    Args:
        delay_s: asked for each chunk.
        deliver: gets each chunk, and None at the end.
    """

    __slots__ = ("_delay_s", "_deliver", "_timer", "_waiting")

    def __init__(self, delay_s: Callable[[], float], deliver: Callable[[bytes | None], None]) -> None:
        self._delay_s = delay_s
        self._deliver = deliver
        self._waiting: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def put(self, chunk: bytes | None) -> None:
        """Takes a chunk; with a delay of 0 and nothing in front of it, it is delivered at once."""
        delay_s = self._delay_s()
        if not delay_s and not self._waiting:
            self._deliver(chunk)
            return
        # A timer for each chunk would not do: asyncio keeps no order between timers that are due together.
        self._waiting.append((asyncio.get_running_loop().time() + delay_s, chunk))
        if self._timer is None:
            self._wait()

    @property
    def waiting(self) -> int:
        """Chunks on their way."""
        return len(self._waiting)

    def drop(self) -> None:
        """Forgets what is on its way."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_at(self._waiting[0][0], self._due)

    def _due(self) -> None:
        self._timer = None
        _, chunk = self._waiting.popleft()
        self._deliver(chunk)
        if self._waiting and self._timer is None:
            self._wait()
