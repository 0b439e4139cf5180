"""Publishing: numbered batches, each kept until its answer is read and sent again over every new connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

import hiredis

from ..layer import Publication
from ..names import ChannelName, Keys
from .faults import Survives
from .link import Link
from .packing import END, Head, arguments, length_line, length_starts
from .scripts import SCRIPTS
from .silence import Silence
from .standing import Standing
from .wire import Answer

_HEAD: Final = attrgetter("channel", "must")
_ALONE: Final = 7
"""Arguments of a batch of one: its number, the last answered, the capacity, its channel, must, 1, its body."""


CHANNELS: Final = 64
"""Of so many the arguments are kept at most: a few, and as many more for each track."""

# What _Batch(...) does, without its constructor in Python.
_tuple: Final = tuple.__new__


class _Batch(NamedTuple):
    number: int
    publications: list[Publication]


def entry_args(publications: Sequence[Publication]) -> list[str | bytes | int]:
    """Publications as ``publish.lua`` reads them: those of one channel that follow each other under one head."""
    args: list[str | bytes | int] = []
    for (channel, must), some in groupby(publications, _HEAD):
        bodies = [publication[1] for publication in some]
        args += (channel, int(must), len(bodies), *bodies)
    return args


class Packer:
    """Packs the calls of one registration: what stands in all of them once, and that of each channel once.

    Args:
        start: of every call: the script, its key and the base of all keys.
        standing: of the interface, registered.
        capacity: of a stream, in entries.

    Attributes:
        epoch: with which the interface is registered.
    """

    __slots__ = ("_alone", "_capacity", "_channels", "_head", "epoch")

    def __init__(self, start: Sequence[str | bytes | int], standing: Standing, capacity: int) -> None:
        self.epoch = standing.epoch
        self._capacity = capacity
        self._head = Head([*start, standing.id, standing.epoch])
        self._alone = self._head.before(_ALONE)
        self._channels: dict[tuple[ChannelName, bool], bytes] = {}

    def pack(self, number: int, answered: int, publications: Sequence[Publication]) -> bytes:
        """The call that publishes a batch."""
        if len(publications) == 1:
            return self._one(number, answered, publications[0])
        if publications:
            channels, bodies, _, musts = zip(*publications, strict=True)
            if channels.count(channels[0]) == len(channels) and not any(musts):
                return self._all_for(channels[0], number, answered, bodies)
        return self._head.followed_by([number, answered, self._capacity, *entry_args(publications)])

    def _one(self, number: int, answered: int, publication: Publication) -> bytes:
        """Where messages come singly, each of these steps is a part of what one costs."""
        channel, body, _, must = publication
        written, read = b"%d" % number, b"%d" % answered
        return b"".join(
            (
                self._alone, length_line(len(written)), written, END, length_line(len(read)), read, END,
                self._channels.get((channel, must)) or self._channel(channel, must),
                length_line(len(body)), body, END,
            )
        )  # fmt: skip

    def _all_for(self, channel: ChannelName, number: int, answered: int, bodies: Sequence[bytes]) -> bytes:
        """A batch for one channel, as most are where many messages come: each body is two parts of one joining."""
        parts: list[bytes] = [END] * (2 * len(bodies))
        parts[0::2] = length_starts(bodies)
        parts[1::2] = bodies
        first: list[str | bytes | int] = [number, answered, self._capacity, channel, 0, len(bodies)]
        return b"".join((self._head.before(len(first) + len(bodies)), arguments(first), END.join(parts), END))

    @property
    def known(self) -> int:
        """Channels whose arguments are kept."""
        return len(self._channels)

    def _channel(self, channel: ChannelName, must: bool) -> bytes:
        if len(self._channels) == CHANNELS:
            self._channels.clear()
        packed = self._channels[channel, must] = arguments([self._capacity, channel, int(must), 1])
        return packed


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
        "_packer",
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
        self._packer: Packer | None = None
        self._next = 1
        self._unanswered: deque[_Batch] = deque()
        self.answered = 0

    @property
    def waiting(self) -> int:
        """Batches without an answer."""
        return len(self._unanswered)

    def publish(self, publications: list[Publication]) -> int:
        """Sends a batch, or keeps it until it can be sent; its number."""
        number = self._next
        self._next = number + 1
        batch = _tuple(_Batch, (number, publications))
        self._unanswered.append(batch)
        if self._standing.live:
            self._send(batch)
        return number

    def send_again(self) -> None:
        """Sends what has no answer, under its number."""
        for batch in list(self._unanswered):
            self._send(batch)

    def _send(self, batch: _Batch) -> None:
        standing, packer = self._standing, self._packer
        # The epoch is a new one behind each registration; the id stays.
        if packer is None or packer.epoch is not standing.epoch:
            packer = self._packer = Packer(self._start, standing, self._capacity)
        number, publications = batch
        self._link.send(
            packer.pack(number, self.answered, publications),
            partial(self._published, standing.session, batch),
        )

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
        self.answered = batch[0]
