"""Deliveries: what a worker was handed and has not committed. So a delivery that was lost is told from the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from ..codec import VERSION
from ..layer import WorkerReceiver
from ..messages import Delivery, Outcome
from ..names import ChannelName
from .faults import tell_fault

Key = tuple[str, str]
"""Channel and id of an entry: the first two fields of its delivery."""
StreamEntry = Sequence[Any]
"""An entry as Redis gives it: its id, and its fields and their values in one list."""

_MARK = bytes((VERSION,))
# What Delivery(...) does, without its constructor in Python.
_tuple = tuple.__new__
_key = itemgetter(0, 1)  # of a delivery
_delivery = itemgetter(0)  # of an outcome


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
        self._held: set[Key] = set()
        self._giving: set[Key] = set()  # on their way back
        self.clock_ms = 0.0

    def make(self, channel: ChannelName, entries: Iterable[StreamEntry], attempt: int) -> list[Delivery]:
        """Deliveries out of stream entries, all at the same attempt."""
        now_ms = self.clock_ms + time.monotonic() * 1000
        made: list[Delivery] = []
        last, queued_ms, shard = b"", 0.0, self._shard
        for entry_id, (name, body, *more) in entries:
            stamp = entry_id.partition(b"-")[0]
            if stamp != last:  # entries published in one call have one time
                last, queued_ms = stamp, max(0.0, now_ms - int(stamp))
            if more or name != b"b":
                body = _foreign([name, body, *more])
            made.append(_tuple(Delivery, (channel, entry_id.decode(), body, attempt, queued_ms, (), shard)))
        return made

    def known(self) -> set[Key]:
        """What is held or on its way back, now."""
        return self._held | self._giving

    def hand_over(self, deliveries: list[Delivery]) -> None:
        """Hands entries to the worker, without those it has already."""
        keys: list[Key] = list(map(_key, deliveries))
        if not self._held.isdisjoint(keys):
            # Found to be held and delivered as well, or delivered again by a Redis that fell back.
            deliveries = [one for one, key in zip(deliveries, keys, strict=True) if key not in self._held]
        self._held.update(keys)
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
            key = _key(delivery)
            self._held.discard(key)
            self._giving.add(key)
            self._return_begun(delivery, partial(self._giving.discard, key))

    def committed(self, outcomes: Sequence[Outcome]) -> None:
        """These are done."""
        self._held.difference_update(map(_key, map(_delivery, outcomes)))

    def give_back(self, deliveries: Sequence[Delivery], send: Callable[[Sequence[Delivery]], None]) -> None:
        """Hands entries back by ``send``; if that raises they stay held. From any thread."""
        keys = set(map(_key, deliveries))
        self._giving |= keys
        self._held -= keys
        try:
            send(deliveries)
        except BaseException:  # whatever it was, they are still ours
            self._held |= keys
            raise
        finally:
            self._giving -= keys


def _foreign(fields: list[bytes]) -> bytes:
    """Anything may have been written into a stream by hand: what is not ours becomes a body that no codec accepts."""
    body = b"".join(fields)
    return b"\0" + body if body[:1] == _MARK else body
