"""Heartbeats of all connections by one timing wheel and one task: no timer a connection, no work a message.

A connection stands in the slot of the tick in which somebody must look at it again. Receiving only notes the number of
the current tick; the rest is decided when its slot comes up. Ticks are the task's own runs and not the wall clock: a
process that was stopped for a minute must not blame its clients for it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

UNSCHEDULED: Final = -1
SILENT: Final = -1
"""``heard`` of a connection from which nothing came since the ping."""

PING: Final = -2
ABORT: Final = -3


class Turning(Protocol):
    """What a wheel can hold.

    Attributes:
        slot: the tick it stands in, kept by the wheel, `UNSCHEDULED` outside it.
    """

    slot: int

    def due(self, now: int) -> int:
        """Its tick has come. Gives the ticks until it wants to be looked at again, 0 for never."""
        ...


T = TypeVar("T", bound=Turning)


class Wheel(Generic[T]):
    """A timing wheel. Pure: `turn` is a tick.

    Attributes:
        now: number of the current tick.
    """

    __slots__ = ("_slots", "now")

    def __init__(self) -> None:
        self.now = 0
        self._slots: dict[int, dict[T, None]] = {}

    def put(self, item: T, ticks: int) -> None:
        """Puts an item ``ticks`` (at least 1) ahead, out of where it stood."""
        self.remove(item)
        item.slot = self.now + max(1, ticks)
        self._slots.setdefault(item.slot, {})[item] = None

    def remove(self, item: T) -> None:
        """Takes an item out, if it is in."""
        if item.slot == UNSCHEDULED:
            return
        slot = self._slots[item.slot]
        del slot[item]
        if not slot:
            del self._slots[item.slot]
        item.slot = UNSCHEDULED

    def turn(self) -> None:
        """The next tick: asks each item whose slot it is."""
        self.now += 1
        for item in list(self._slots.get(self.now, ())):
            self.remove(item)
            ticks = item.due(self.now)
            if ticks > 0:
                self.put(item, ticks)

    def items(self) -> list[T]:
        """Everything in it."""
        return [item for slot in self._slots.values() for item in slot]

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))


class Rhythm:
    """When to ping and when to give up, in ticks.

    Args:
        interval_s: seconds without received data until a ping.
        timeout_s: further seconds until the connection is given up.
        close_s: seconds a client may take to answer a close.
    """

    __slots__ = ("close", "interval", "tick_s", "timeout")

    def __init__(self, interval_s: float, timeout_s: float, close_s: float) -> None:
        # A tick is the precision of all three; a second suffices unless somebody wants seconds.
        self.tick_s = min(1.0, interval_s / 4, timeout_s / 4, close_s / 4)
        self.interval = math.ceil(interval_s / self.tick_s)
        self.timeout = math.ceil(timeout_s / self.tick_s)
        self.close = math.ceil(close_s / self.tick_s)

    def decide(self, heard: int, now: int) -> int:
        """What to do with a connection whose slot has come.

        Args:
            heard: tick in which data came last, or `SILENT` if none came since the ping.
            now: the current tick.

        Returns:
            `ABORT`, `PING`, or the ticks after which it must be looked at again.
        """
        if heard == SILENT:
            return ABORT
        quiet = now - heard
        return PING if quiet >= self.interval else self.interval - quiet


async def beat(
    wheel: Wheel[T], tick_s: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Turns the wheel for ever, a tick every ``tick_s`` seconds; the one task behind all heartbeats.

    Args:
        wheel: what to turn.
        tick_s: seconds of a tick.
        sleep: the clock.
    """
    while True:
        await sleep(tick_s)
        wheel.turn()
