"""Fan-out: one member sends to the group; the next message goes when every member has this one."""

from __future__ import annotations

from time import monotonic_ns
from typing import Final

from .client import Socket, Tally
from .closed import payload
from .wire import client_frame, server_frame

RING: Final = 64
"""Messages that differ, a power of two."""


class FanOutLoad:
    """The group.

    Args:
        latency: note the time from each message to its last delivery.
    """

    __slots__ = (
        "_frames",
        "_missing",
        "_number",
        "_sending",
        "_sent_ns",
        "answers",
        "latency",
        "members",
        "tally",
    )

    def __init__(self, latency: bool) -> None:
        self.tally = Tally()
        self.latency = latency
        self.members: list[Member] = []
        payloads = [payload(0, number) for number in range(RING)]
        self._frames = [client_frame(item) for item in payloads]
        self.answers = [server_frame(item) for item in payloads]
        self._number = 0
        self._missing = 0
        self._sending = False
        self._sent_ns = 0

    def socket(self, index: int) -> Member:
        """Makes a member."""
        member = Member(self)
        self.members.append(member)
        return member

    def start(self) -> None:
        """The first member sends."""
        self._sending = True
        self._send()

    def stop(self) -> None:
        """Nothing more is sent; what is outstanding still arrives."""
        self._sending = False

    def _send(self) -> None:
        self._missing = len(self.members)
        self.tally.expected += self._missing
        self._sent_ns = monotonic_ns()
        self.members[0].transport.write(self._frames[self._number & (RING - 1)])
        self._number += 1

    def delivered(self) -> None:
        """A member has the present message."""
        self.tally.received += 1
        self._missing -= 1
        if not self._missing:
            if self.latency:
                self.tally.latencies_ns.append(monotonic_ns() - self._sent_ns)
            if self._sending:
                self._send()


class Member(Socket):
    """Receives every message of the group once, in order."""

    __slots__ = ("_load", "_position")

    def __init__(self, load: FanOutLoad) -> None:
        super().__init__(load.tally)
        self._load = load
        self._position = 0

    def data_received(self, data: bytes) -> None:
        """Compares; parses what is something else."""
        if data == self._load.answers[self._position]:
            self._position = (self._position + 1) & (RING - 1)
            self._load.delivered()
        else:
            super().data_received(data)

    def heard(self, payload: bytes) -> None:
        """The message has come in pieces, or is wrong."""
        if server_frame(payload) == self._load.answers[self._position]:
            self._position = (self._position + 1) & (RING - 1)
            self._load.delivered()
        else:
            self.tally.mismatched += 1
