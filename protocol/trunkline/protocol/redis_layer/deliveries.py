"""Deliveries: what a worker was handed and has not committed. So a delivery that was lost is told from the others."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Final

from ..codec import VERSION
from ..layer import WorkerReceiver
from ..messages import Delivery, Outcome
from ..names import ChannelName
from .faults import tell_fault

Key = tuple[str, str]
"""Channel and id of an entry: the first two fields of its delivery."""
StreamEntry = Sequence[Any]
"""An entry as Redis gives it: its id, and its fields and their values in one list."""

_MARK: Final = bytes((VERSION,))
_FIELD: Final = b"b"
"""Name of the one field of our entries."""
# What Delivery(...) does, without its constructor in Python.
_tuple: Final = tuple.__new__
_channel, _id = itemgetter(0), itemgetter(1)  # of a delivery
_delivery: Final = itemgetter(0)  # of an outcome


class _Held:
    """A set of entries. By channel: a set of ids is asked and changed in a fraction of the time of a set of pairs."""

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids: defaultdict[str, set[str]] = defaultdict(set)

    def take(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Adds what is not in it already, and gives that."""
        parts = _by_channel(deliveries)
        if all(self._ids[channel].isdisjoint(ids) for channel, ids in parts):
            self._add(parts)
            return deliveries
        new = [one for one in deliveries if one.id not in self._ids[one.channel]]
        self.add(new)
        return new

    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Adds all."""
        self._add(_by_channel(deliveries))

    def _add(self, parts: Iterable[tuple[str, list[str]]]) -> None:
        for channel, ids in parts:
            self._ids[channel].update(ids)

    def remove(self, deliveries: Sequence[Delivery]) -> None:
        """Takes out what is in it of these."""
        for channel, ids in _by_channel(deliveries):
            self._ids[channel].difference_update(ids)

    def keys(self) -> set[Key]:
        """What is in it, now. From copies, as another thread may be at it."""
        return {(channel, entry_id) for channel, ids in list(self._ids.items()) for entry_id in ids.copy()}


def _by_channel(deliveries: Sequence[Delivery]) -> Collection[tuple[str, list[str]]]:
    if len(deliveries) == 1 or len(set(map(_channel, deliveries))) == 1:  # as mostly
        return ((deliveries[0][0], list(map(_id, deliveries))),)
    parts: dict[str, list[str]] = {}
    for delivery in deliveries:
        parts.setdefault(delivery[0], []).append(delivery[1])
    return parts.items()


class Deliveries:
    """Hands entries to the worker, and knows which it holds.

    Args:
        return_begun: hands entries that the worker failed to take back to everybody, as once more begun in vain, and
            says when that is done.
        shard: where the entries are.

    Attributes:
        receiver: the worker.
        clock_ms: Redis' clock less our monotonic one.
    """

    __slots__ = ("_giving", "_held", "_return_begun", "_shard", "clock_ms", "receiver")

    receiver: WorkerReceiver

    def __init__(self, return_begun: Callable[[Delivery, Callable[[], None]], None], shard: int = 0) -> None:
        self._return_begun = return_begun
        self._shard = shard
        self._held = _Held()
        self._giving = _Held()  # on their way back
        self.clock_ms = 0.0

    def make(self, channel: ChannelName, entries: Iterable[StreamEntry], attempt: int) -> list[Delivery]:
        """Deliveries out of stream entries, all at the same attempt."""
        now_ms = self.clock_ms + time.monotonic() * 1000
        made: list[Delivery] = []
        last, width, queued_ms, shard = b"", 1, 0.0, self._shard
        for entry_id, fields in entries:
            if entry_id[:width] != last:  # entries published in one call have one time
                stamp, dash, _ = entry_id.partition(b"-")
                last, queued_ms = stamp + dash, max(0.0, now_ms - int(stamp))
                width = len(last)
            body = fields[1] if len(fields) == 2 and fields[0] == _FIELD else _foreign(fields)
            made.append(_tuple(Delivery, (channel, entry_id.decode(), body, attempt, queued_ms, (), shard)))
        return made

    def known(self) -> set[Key]:
        """What is held or on its way back, now."""
        return self._held.keys() | self._giving.keys()

    def hand_over(self, deliveries: list[Delivery]) -> None:
        """Hands entries to the worker, without those it has already."""
        # Found to be held and delivered as well, or delivered again by a Redis that fell back.
        deliveries = self._held.take(deliveries)
        try:
            self.receiver.deliver(deliveries)
        except Exception as error:
            self._not_taken(deliveries, error)

    def _not_taken(self, deliveries: list[Delivery], error: Exception) -> None:
        """The worker failed, and what it has taken of these nobody knows. To be handled twice does an entry no harm, as
        one commit counts. So they follow one by one, and what it fails on alone others shall try."""
        tell_fault("worker", "take a delivery", error)
        if len(deliveries) > 1:
            for delivery in deliveries:
                try:
                    self.receiver.deliver([delivery])
                except Exception as alone:
                    self._not_taken([delivery], alone)
            return
        for delivery in deliveries:
            self._held.remove([delivery])
            self._giving.add([delivery])
            self._return_begun(delivery, partial(self._giving.remove, [delivery]))

    def committed(self, outcomes: Sequence[Outcome]) -> None:
        """These are done."""
        self._held.remove(list(map(_delivery, outcomes)))

    def give_back(self, deliveries: Sequence[Delivery], send: Callable[[Sequence[Delivery]], None]) -> None:
        """Hands entries back by ``send``; if that raises they stay held. From any thread."""
        self._giving.add(deliveries)
        self._held.remove(deliveries)
        try:
            send(deliveries)
        except BaseException:  # whatever it was, they are still ours
            self._held.add(deliveries)
            raise
        finally:
            self._giving.remove(deliveries)


def _foreign(fields: list[bytes]) -> bytes:
    """Anything may have been written into a stream by hand: what is not ours becomes a body that no codec accepts."""
    body = b"".join(fields)
    return b"\0" + body if body[:1] == _MARK else body
