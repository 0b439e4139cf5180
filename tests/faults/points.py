"""Fault points: the exact commands at which a test stops a connection, and what it then does with it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol

from tests.faults.command_names import check_name

When = Literal["before", "after"]

WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Point:
    """A step of a message's life, as Redis sees it.

    Attributes:
        command: a Redis command in upper case, or one of our scripts by its name.
        when: ``before``: the request has reached the proxy and is not forwarded; ``after``: Redis has executed it, its
            answer is withheld.

    Raises:
        ValueError: there is no such command.
    """

    command: str
    when: When

    def __post_init__(self) -> None:
        check_name(self.command)

    def __str__(self) -> str:
        return f"{self.when} {self.command}"


class Stopped(Protocol):
    """A connection as a point sees it."""

    def go(self, held: Held) -> None:
        """Goes on from where it was stopped."""

    def cut(self) -> None:
        """Is reset."""


class Held:
    """A connection that stands at a point: everything behind the command waits, other connections go on.

    Attributes:
        point: where.
        request: the command's bytes.
        decided: `go` or `cut` was called.
    """

    def __init__(self, point: Point, request: bytes, connection: Stopped) -> None:
        self.point = point
        self.request = request
        self.decided = False
        self._connection = connection
        self._waiting: list[asyncio.Future[Held]] = []

    def go(self) -> None:
        """Forwards the request or delivers the answer. Does nothing if it was decided, or the connection is gone."""
        if not self.decided:
            self.decided = True
            self._connection.go(self)

    def cut(self) -> None:
        """Resets the connection: with ``before`` the call never happened, with ``after`` its answer is lost."""
        if not self.decided:
            self.decided = True
            self._connection.cut()

    def tell(self, waiting: asyncio.Future[Held]) -> None:
        """Has this future get it on its arrival."""
        self._waiting.append(waiting)

    def arrive(self) -> None:
        """The connection stands at the point."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(self)


class Arming:
    """A point that is armed from its making on. Await it for the `Held`; as a context it is disarmed in the end,
    and a connection that was stopped and not decided upon goes on.
    """

    def __init__(self, points: Points, point: Point, nth: int) -> None:
        self.point = point
        self.nth = nth
        self._points = points
        self._seen = 0
        self._held: Held | None = None
        self._arrival: asyncio.Future[Held] = asyncio.get_running_loop().create_future()

    def __enter__(self) -> Arming:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disarm()

    def __await__(self) -> Generator[None, None, Held]:
        return self.within(WITHIN_S).__await__()

    @property
    def reached(self) -> bool:
        """A connection has stood at the point."""
        return self._arrival.done()

    async def within(self, within_s: float) -> Held:
        """Waits until a connection stands at the point.

        Raises:
            AssertionError: none does in time; the text has what was seen instead. The point is disarmed.
        """
        done, _ = await asyncio.wait((self._arrival,), timeout=within_s)
        if not done:
            self.disarm()
            raise AssertionError(
                f"not within {within_s} s: {self.point}, number {self.nth}; since then {self._seen} of them came, "
                f"and in all: {dict(self._points.counts)}"
            )
        return self._arrival.result()

    def disarm(self) -> None:
        """Stops no connection any more; one that was stopped and not decided upon goes on. Idempotent."""
        self._points.remove(self)
        if self._held is not None:
            self._held.go()

    def takes_next(self) -> bool:
        """One more such command has come: whether it is the one."""
        self._seen += 1
        return self._seen == self.nth

    def catch(self, held: Held) -> None:
        """This is the one."""
        self._held = held
        held.tell(self._arrival)
        self._points.remove(self)


class Points:
    """All points that are armed.

    Args:
        counts: commands seen by name, for messages.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.counts = counts
        self._armed: dict[str, list[Arming]] = {}

    def arm(self, point: Point, nth: int) -> Arming:
        """Stops the connection of the nth such command from now."""
        if nth < 1:
            raise ValueError(f"nth is {nth}; the first is 1")
        arming = Arming(self, point, nth)
        self._armed.setdefault(point.command, []).append(arming)
        return arming

    def remove(self, arming: Arming) -> None:
        """Forgets one. Idempotent."""
        armed = self._armed.get(arming.point.command, [])
        if arming in armed:
            armed.remove(arming)
        if not armed:
            self._armed.pop(arming.point.command, None)

    def stops(self, name: str, request: bytes, connection: Stopped) -> Mapping[When, Held] | None:
        """Where a request is to stop; those who wait for the same place get the same `Held`."""
        armed = self._armed.get(name)
        if armed is None:
            return None
        stops: dict[When, Held] = {}
        for arming in tuple(armed):
            if arming.takes_next():
                held = stops.setdefault(arming.point.when, Held(arming.point, request, connection))
                arming.catch(held)
        return stops
