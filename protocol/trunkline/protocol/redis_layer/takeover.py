"""Take-over: a worker with room claims entries of workers declared dead, and those that were handed back."""

from __future__ import annotations

import logging

import hiredis

from ..layer import WorkerReceiver
from ..names import ChannelName, Keys
from .deliveries import Deliveries
from .link import Link
from .reading import Reading
from .scripts import SCRIPTS
from .wire import Answer

log = logging.getLogger(__name__)

CLAIM_COUNT = 16
"""Entries in one call."""


class Takeover:
    """Takes entries over.

    Args:
        keys: of the shard.
        calls: link of the claims.
        reading: is held up meanwhile.
        deliveries: where entries go.

    Attributes:
        claimable: there may be more to take over.
        channels: of which entries are taken over.
        ended: nothing is taken over any more.
    """

    __slots__ = (
        "_calls",
        "_deliveries",
        "_keys",
        "_next",
        "_reading",
        "_receiver",
        "_worker",
        "channels",
        "claimable",
        "ended",
    )

    _receiver: WorkerReceiver

    def __init__(self, keys: Keys, calls: Link, reading: Reading, deliveries: Deliveries) -> None:
        self._keys = keys
        self._calls = calls
        self._reading = reading
        self._deliveries = deliveries
        self._worker = ""
        self.channels: list[ChannelName] = []
        self._next = False  # as soon as the read that waits is back
        self.claimable = False
        self.ended = False

    def begin(self, worker: str, channels: list[ChannelName], receiver: WorkerReceiver) -> None:
        """Names the worker, what it serves, and who says how much room there is."""
        self._worker, self.channels, self._receiver = worker, channels, receiver

    def claim(self) -> None:
        """Takes over what there is room for."""
        room = min(self._receiver.room(), CLAIM_COUNT)
        reading = self._reading
        if room <= 0 or reading.paused or reading.searching or self.ended:
            return
        # Never beside a read: were a handler of what is taken over to hold the event loop, what that read brings would
        # wait for it unseen.
        self._next = reading.under_way
        if reading.under_way:
            reading.end()
            return
        reading.paused = self._calls.call(
            SCRIPTS["claim"].call(
                [self._keys.dead_workers],
                [self._keys.base, self._keys.consumer_group, self._worker, room, *self.channels],
            ),
            self._claimed,
        )

    def read_ended(self) -> None:
        """The read that a claim waited for has come back with nothing."""
        if self._next:
            self.claim()

    def lost(self) -> None:
        """The connection is gone. Who knows what was taken over in an answer that never came: a new reading connection
        asks."""
        if self._reading.paused:
            self._reading.paused = False
            self._reading.link.reset("the answer of a take-over was lost")

    def _claimed(self, answer: Answer) -> None:
        reading = self._reading
        reading.paused = False
        if isinstance(answer, hiredis.ReplyError):
            log.warning("worker=%s cannot take over: %s", self._worker, answer)
            reading.send()
            return
        self.claimable = bool(answer)
        if not answer:
            reading.send()
            return
        reading.satisfied()
        self._deliveries.hand_over(
            [
                delivery._replace(died=tuple(died.decode().split()))
                for channel, entry_id, fields, count, died in answer
                for delivery in self._deliveries.make(
                    ChannelName(channel.decode()), [(entry_id, fields)], count
                )
            ]
        )
