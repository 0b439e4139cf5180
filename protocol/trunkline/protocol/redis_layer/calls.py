"""A worker's calls: each is kept until its answer is read, and sent again over every new connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from hiredis import ReplyError

from ..redis_layout import Place
from .cluster_link import link_to
from .link import Link
from .packing import pack
from .silence import Silence
from .wire import Answer


class Calls:
    """The calls of a worker.

    Args:
        place: where Redis is.
        arrival: asked on every new connection before all else.
        on_down: called whenever the connection is gone.

    Attributes:
        link: that carries them. Whoever uses it by itself gets no answer if the connection is lost.
        silence: of the link.
    """

    __slots__ = ("_arrival", "_live", "_on_down", "_waiting", "link", "silence")

    def __init__(
        self, place: Place, arrival: Sequence[str | bytes | int], on_down: Callable[[], None]
    ) -> None:
        self.link = link_to(place, "trunkline-worker", self._up, self._down)
        self.silence = Silence(self.link)
        self._arrival = arrival
        self._on_down = on_down
        # Packed, and who is told: in the order in which they are sent, again too, and answered.
        self._waiting: deque[tuple[bytes, Callable[[Answer], None]]] = deque()
        self._live = False

    def keep(self, command: Sequence[str | bytes | int], done: Callable[[Answer], None]) -> None:
        """Sends a call now, and again on every new connection until it is answered."""
        self.keep_packed(pack(command), done)

    def keep_packed(self, packed: bytes, done: Callable[[Answer], None]) -> None:
        """As `keep`, of a command that was packed before."""
        self._waiting.append((packed, done))
        # Not while a new connection gets ready: this call would overtake those that wait to be sent again, and be sent
        # with them a second time. `apply.lua` tells by a number behind its own that a call was applied.
        if self._live:
            self.link.send(packed, self._answered)

    def look(self, reads: Link) -> None:
        """Draws the conclusions of a silence (see `Silence.look`), and of its end if no call was kept that tells it."""
        self.silence.look(reads)
        if self._live and self.link.oldest is None:
            self.silence.come_back()

    def _answered(self, answer: Answer) -> None:
        if isinstance(answer, ReplyError):
            self.link.reset(answer)
            return
        if self.silence.away:
            self.silence.come_back()
        # Answers come to the connection that all which wait were last sent on, and to no older one: it is the first's.
        _, done = self._waiting.popleft()
        done(answer)

    async def _up(self) -> None:
        await self.link.ask(self._arrival)
        self._live = True
        for packed, _ in list(self._waiting):
            self.link.send(packed, self._answered)
        self.silence.come_back()

    def _down(self) -> None:
        self._live = False
        self.silence.go_away()
        self._on_down()
