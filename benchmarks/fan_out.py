"""Fan-out: one member sends to its room; the next message goes when every member has this one."""

from __future__ import annotations

import asyncio
import socket as sockets
from time import monotonic_ns
from typing import Final

from .client import Follower, Socket
from .ring import Ring
from .speech import Speech
from .tally import Tally

SLOW_BUFFER_BYTES: Final = 4096
"""Receive buffer of a member that reads nothing. A large one would take what the server should have to keep."""


class FanOutLoad:
    """All rooms, each with a message of its own under way.

    Args:
        speech: how messages are wrapped.
        size: bytes of a message.
        room_size: members of a room; 0 for one room of all.
        slow: further members of the first room that read nothing. Nothing is expected of them, and the server may
            close them.
        latency: note the time from each message to its last delivery.
    """

    __slots__ = ("_size", "_slow", "_speech", "latency", "room_size", "rooms", "sending", "tally")

    def __init__(self, speech: Speech, size: int, room_size: int, slow: int, latency: bool) -> None:
        self.tally = Tally()
        self.latency = latency
        self.room_size = room_size
        self.rooms: list[Room] = []
        self.sending = False
        self._speech = speech
        self._size = size
        self._slow = slow

    def room_of(self, index: int) -> int:
        """Number of the room of a connection."""
        return (index - self._slow) // self.room_size if self.room_size and index >= self._slow else 0

    def socket(self, index: int) -> Socket:
        """Makes a member; the slow ones come first."""
        if index < self._slow:
            return SlowMember(Tally(), self._speech)
        number = self.room_of(index)
        if number == len(self.rooms):
            self.rooms.append(Room(self, Ring(number, self._size, self._speech)))
        return self.rooms[number].member(self._speech)

    def start(self) -> None:
        """The first member of each room sends."""
        self.sending = True
        for room in self.rooms:
            room.send()

    def stop(self) -> None:
        """Nothing more is sent; what is outstanding still arrives."""
        self.sending = False


class Room:
    """A group: its members, and the message that is under way.

    Args:
        load: of which it is part.
        ring: its messages.
    """

    __slots__ = ("_load", "_missing", "_next", "_sent_ns", "members", "ring")

    def __init__(self, load: FanOutLoad, ring: Ring) -> None:
        self._load = load
        self.ring = ring
        self.members: list[Member] = []
        self._next = 0
        self._missing = 0
        self._sent_ns = 0

    def member(self, speech: Speech) -> Member:
        """Makes a member."""
        made = Member(self, self._load.tally, speech)
        self.members.append(made)
        return made

    def send(self) -> None:
        """The first member sends the next message, unless it was lost."""
        transport = self.members[0].transport
        if transport.is_closing():
            return
        tally = self._load.tally
        self._missing = len(self.members)
        tally.sent += 1
        tally.expected += self._missing
        self._sent_ns = monotonic_ns()
        frames = self.ring.frames
        transport.write(frames[self._next])
        self._next = (self._next + 1) % len(frames)

    def delivered(self) -> None:
        """A member has the present message."""
        load = self._load
        load.tally.received += 1
        self._missing -= 1
        if not self._missing:
            if load.latency:
                load.tally.latencies_ns.append(monotonic_ns() - self._sent_ns)
            if load.sending:
                self.send()


class Member(Follower):
    """Receives every message of its room once, in order."""

    __slots__ = ("_room",)

    def __init__(self, room: Room, tally: Tally, speech: Speech) -> None:
        super().__init__(tally, speech, room.ring)
        self._room = room

    def came(self, count: int) -> None:
        """The present message; more than one at once were never sent."""
        self.tally.mismatched += count - 1
        self._room.delivered()


class SlowMember(Socket):
    """Reads nothing once it is open."""

    __slots__ = ()

    def opened(self, transport: asyncio.Transport) -> None:
        """Stops to read."""
        super().opened(transport)
        raw = transport.get_extra_info("socket")
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, SLOW_BUFFER_BYTES)
        transport.pause_reading()

    def close(self) -> None:
        """Would never see the answer to a close."""
        self.drop()
