"""A worker's calls: each is kept until its answer is read, and sent again over every new connection."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import hiredis

from .link import Link
from .silence import Silence
from .wire import Answer, pack


class _Call(NamedTuple):
    packed: bytes
    done: Callable[[Answer], None]


class Calls:
    """The calls of a worker.

    Args:
        url: of Redis.
        arrival: asked on every new connection before all else.
        on_down: called whenever the connection is gone.

    Attributes:
        link: that carries them. Whoever uses it by itself gets no answer if the connection is lost.
        silence: of the link.
    """

    __slots__ = ("_arrival", "_live", "_numbers", "_on_down", "_waiting", "link", "silence")

    def __init__(self, url: str, arrival: Sequence[str | bytes | int], on_down: Callable[[], None]) -> None:
        self.link = Link(url, "trunkline-worker", self._up, self._down)
        self.silence = Silence(self.link)
        self._arrival = arrival
        self._on_down = on_down
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Call] = {}
        self._live = False

    def keep(self, command: Sequence[str | bytes | int], done: Callable[[Answer], None]) -> None:
        """Sends a call now, and again on every new connection until it is answered."""
        self.keep_packed(pack(command), done)

    def keep_packed(self, packed: bytes, done: Callable[[Answer], None]) -> None:
        """As `keep`, of a command that was packed before."""
        number = next(self._numbers)
        self._waiting[number] = _Call(packed, done)
        # Not while a new connection gets ready: this call would overtake those that wait to be sent again, and be sent
        # with them a second time. `apply.lua` tells by a number behind its own that a call was applied.
        if self._live:
            self._send(number)

    def _send(self, number: int) -> None:
        self.silence.called()
        self.link.send(self._waiting[number].packed, lambda answer: self._answered(number, answer))

    def _answered(self, number: int, answer: Answer) -> None:
        if isinstance(answer, hiredis.ReplyError):
            self.link.reset(answer)
            return
        silence = self.silence
        silence.answered()
        if silence.away:
            silence.come_back()
        # Answers come to the connection a call was last sent on, and to no older one.
        self._waiting.pop(number).done(answer)

    async def _up(self) -> None:
        await self.link.ask(self._arrival)
        self._live = True
        for number in list(self._waiting):
            self._send(number)
        self.silence.come_back()

    def _down(self) -> None:
        self._live = False
        self.silence.forget()
        self.silence.go_away()
        self._on_down()
