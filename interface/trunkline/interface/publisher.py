"""The way out: everything of one event-loop tick goes to the layer in one call, and while much comes, of a few ticks.

An owner (a connection, an HTTP exchange) has at most one publication on its way and keeps it until its release, so
that it can be published again when Redis lost it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from time import perf_counter
from typing import Final, Protocol

from mypy_extensions import mypyc_attr

from trunkline.protocol.layer import InterfaceLayer, Publication
from trunkline.protocol.names import ChannelName

from .linger import Linger

MAX_BATCH: Final = 512
"""Publications in one call: a script that runs longer keeps Redis from everybody else."""

MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
"""Bodies in one call, about: 512 full entries would be a gigabyte."""

MIN_BACKOFF_S: Final = 0.02
MAX_BACKOFF_S: Final = 0.5
CALM_S: Final = 1.0
"""So long without a refusal, and the next one begins with the least back-off again."""

_BODY: Final = itemgetter(1)
"""Of a publication; by name it costs twice as much."""


class Owner(Protocol):
    """Whose publication it is.

    Attributes:
        publication: what is on its way, None when it was released.
        batch: number of the batch it left with, 0 before.
    """

    publication: Publication | None
    batch: int

    def refused(self) -> bool:
        """The channel is full. True: publish it again later; False: the owner has given up."""
        ...


@mypyc_attr(allow_interpreted_subclasses=True)
class Publisher:
    """Collects publications and hands them to the layer.

    Args:
        layer: where they go.
        loop: ends the tick and the waits of what lingers, and calls again after back-offs.
        linger_s: what comes quickly gathers for so many seconds at most (see `linger`).
        jitter: number from 0 to 1.
        clock: seconds, for `linger`.

    Attributes:
        closed: publishes nothing any more.
        retrying: publications that wait for room in their channel.
    """

    __slots__ = (
        "_backoff_s",
        "_batch",
        "_clock",
        "_jitter",
        "_layer",
        "_linger",
        "_linger_timer",
        "_loop",
        "_refused_s",
        "_retry_timer",
        "closed",
        "retrying",
    )

    def __init__(
        self,
        layer: InterfaceLayer,
        loop: asyncio.AbstractEventLoop,
        linger_s: float = 0.0,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._layer = layer
        self._loop = loop
        self._jitter = jitter
        self._linger = Linger(linger_s)
        self._clock = clock
        self._batch: list[Publication] = []
        self._linger_timer: asyncio.TimerHandle | None = None  # until a batch that lingers leaves
        self._backoff_s = 0.0
        self._refused_s = float("-inf")
        self._retry_timer: asyncio.TimerHandle | None = None
        self.retrying: list[Publication] = []
        self.closed = False

    def add(self, publication: Publication) -> None:
        """Publishes with the others of this tick. After `close` nothing happens."""
        if self.closed:
            return
        owner = publication[2]
        owner.publication = publication
        owner.batch = 0
        batch = self._batch
        batch.append(publication)
        if len(batch) == 1:
            self._loop.call_soon(self._tick_ends)
        elif self._linger_timer is not None and len(batch) >= self._linger.due:
            self._stop_lingering()
            self._loop.call_soon(self.flush)  # with what this tick brings besides

    def _tick_ends(self) -> None:
        wait_s = self._linger.begin(len(self._batch))
        if wait_s:
            self._linger_timer = self._loop.call_later(wait_s, self.flush)
        else:
            self.flush()

    def flush(self) -> None:
        """Hands over what was collected, now."""
        batch = self._batch
        self._batch = []
        self._stop_lingering()
        if self.closed or not batch:
            return
        count = len(batch)
        self._linger.leave(self._clock(), count)
        if count == 1:  # where messages come singly, what follows would be a part of what each costs
            number = self._layer.publish(batch)
            owner = batch[0][2]
            if owner.publication is batch[0]:
                owner.batch = number
            return
        for part in _parts(batch):
            number = self._layer.publish(part)
            for publication in part:
                owner = publication[2]
                # A layer in this process may have answered already, and the owner be one further.
                if owner.publication is publication:
                    owner.batch = number

    def _stop_lingering(self) -> None:
        if self._linger_timer is not None:
            self._linger_timer.cancel()
            self._linger_timer = None

    def refused(self, publications: Sequence[Publication]) -> None:
        """The layer took none of these, for want of room. Those whose owners do not give up go out again after a
        jittered back-off of `MIN_BACKOFF_S` to `MAX_BACKOFF_S`."""
        for publication in publications:
            owner: Owner = publication.owner
            if owner.publication is publication and owner.refused():
                owner.batch = 0  # no batch that could be lost holds it now: it goes out by the retry alone
                self.retrying.append(publication)
        if self.closed or not self.retrying or self._retry_timer is not None:
            return
        now = self._loop.time()
        calm = now - self._refused_s > CALM_S
        self._backoff_s = MIN_BACKOFF_S if calm else min(MAX_BACKOFF_S, self._backoff_s * 2)
        self._refused_s = now
        self._retry_timer = self._loop.call_later(self._backoff_s * (0.5 + 0.5 * self._jitter()), self._retry)

    def _retry(self) -> None:
        self._retry_timer = None
        again, self.retrying = self.retrying, []
        for publication in again:
            if publication.owner.publication is publication:
                self.add(publication)

    def republish(
        self, owners: Iterable[Owner], after: int, up_to: int, channel: ChannelName | None = None
    ) -> int:
        """Publishes again what left with a batch ``after < number <= up_to`` and is unreleased; gives how many.

        Args:
            owners: of all that may be.
            after: the last batch that is known.
            up_to: the last that is not.
            channel: only what is for this one; None: for any.
        """
        count = 0
        for owner in owners:
            publication = owner.publication
            if (
                publication is not None
                and after < owner.batch <= up_to
                and (channel is None or publication.channel == channel)
            ):
                self.add(publication)
                count += 1
        return count

    def close(self) -> None:
        """Publishes nothing any more. Idempotent."""
        self.closed = True
        self._batch = []
        self.retrying = []
        self._stop_lingering()
        if self._retry_timer is not None:
            self._retry_timer.cancel()
            self._retry_timer = None


def _parts(batch: list[Publication]) -> list[list[Publication]]:
    """The batch in calls of at most `MAX_BATCH` publications and about `MAX_BATCH_BYTES`."""
    if len(batch) <= MAX_BATCH and sum(map(len, map(_BODY, batch))) <= MAX_BATCH_BYTES:
        return [batch]
    parts: list[list[Publication]] = [[]]
    size = 0
    for publication in batch:
        weight = len(publication.body)
        if parts[-1] and (size + weight > MAX_BATCH_BYTES or len(parts[-1]) == MAX_BATCH):
            parts.append([])
            size = 0
        parts[-1].append(publication)
        size += weight
    return parts
