"""Publishing: numbered batches, each kept until its answer is read and sent again over every new connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import hiredis

from ..layer import Publication
from ..names import Keys
from .faults import Survives
from .link import Link
from .scripts import SCRIPTS
from .silence import Silence
from .standing import Standing
from .wire import Answer

_HEAD = attrgetter("channel", "must")


class _Batch(NamedTuple):
    number: int
    publications: list[Publication]


def entry_args(publications: Sequence[Publication]) -> list[str | bytes | int]:
    """Publications as ``publish.lua`` reads them: those of one channel that follow each other under one head."""
    if len(publications) == 1:  # where messages come singly, gathering would be a part of what each costs
        channel, body, _, must = publications[0]
        return [channel, int(must), 1, body]
    args: list[str | bytes | int] = []
    for (channel, must), some in groupby(publications, _HEAD):
        bodies = [publication[1] for publication in some]
        args += (channel, int(must), len(bodies), *bodies)
    return args


class Publishing:
    """The batches of an interface server.

    Args:
        keys: of the shard.
        capacity: of a stream, in entries.
        link: for calls.
        standing: of the interface.
        silence: of the link.
        on_odd: is given answers that are not about the call but about the interface.

    Attributes:
        answered: number of the last batch whose answer was read.
    """

    __slots__ = (
        "_capacity",
        "_link",
        "_next",
        "_on_odd",
        "_silence",
        "_standing",
        "_start",
        "_unanswered",
        "answered",
    )

    def __init__(
        self,
        keys: Keys,
        capacity: int,
        link: Link,
        standing: Standing,
        silence: Silence,
        on_odd: Callable[[Answer], None],
    ) -> None:
        self._start = SCRIPTS["publish"].call([keys.epoch], [keys.base])
        self._capacity = capacity
        self._link = link
        self._standing = standing
        self._silence = silence
        self._on_odd = on_odd
        self._next = 1
        self._unanswered: deque[_Batch] = deque()
        self.answered = 0

    @property
    def waiting(self) -> int:
        """Batches without an answer."""
        return len(self._unanswered)

    def publish(self, publications: list[Publication]) -> int:
        """Sends a batch, or keeps it until it can be sent; its number."""
        batch = _Batch(self._next, publications)
        self._next += 1
        self._unanswered.append(batch)
        if self._standing.live:
            self._send(batch)
        return batch.number

    def send_again(self) -> None:
        """Sends what has no answer, under its number."""
        for batch in list(self._unanswered):
            self._send(batch)

    def _send(self, batch: _Batch) -> None:
        standing = self._standing
        command = (
            *self._start, standing.id, standing.epoch, batch.number, self.answered, self._capacity,
            *entry_args(batch.publications),
        )  # fmt: skip
        self._link.call(command, partial(self._published, standing.session, batch))

    def _published(self, session: int, batch: _Batch, answer: Answer) -> None:
        standing = self._standing
        if session != standing.session:
            return
        if isinstance(answer, hiredis.ReplyError):
            self._link.reset(answer)
            return
        if self._silence.away:
            self._silence.come_back()
        if answer == 1:
            self._taken(batch)
        elif isinstance(answer, list) and answer[0] == b"refused":
            self._taken(batch)
            # Not told again: it may have taken some of them back already, and would publish those twice.
            with Survives(self._silence.who, "take refused publications back"):
                standing.receiver.refused([batch.publications[i - 1] for i in answer[1:]])
        else:
            self._on_odd(answer)

    def _taken(self, batch: _Batch) -> None:
        self._unanswered.popleft()
        self.answered = batch.number
