"""What goes through the model: events, mailbox operations, effects. Symbols instead of bytes, so that a failing history
can be read; `tests.model.real.translation` turns them into the bytes of the real protocol and back.
"""

from __future__ import annotations

from typing import NamedTuple

CONNECT = "websocket.connect"
RECEIVE = "websocket.receive"
DISCONNECT = "websocket.disconnect"
JOBS = "jobs"
"""A background channel."""
SOCKET_CHANNELS = (CONNECT, RECEIVE, DISCONNECT)
CHANNELS = (*SOCKET_CHANNELS, JOBS)

LAST_SEQ = 2**31 - 1
"""Number of the disconnect that the reaper publishes."""


MOST_EVENTS = 3
"""Of an entry; the real bound is 32."""


class Event(NamedTuple):
    """An entry: an event, or several frames of one connection that waited together.

    Attributes:
        channel: on which it is published.
        interface: of its connection; empty for a background message.
        connection: whose event it is, or the name of the background message.
        seq: its number within the connection, of the first if it is several.
        plan: what its handler does, see `tests.model.application`.
        more: plans of the events that follow in the same entry.
    """

    channel: str
    interface: str
    connection: str
    seq: int
    plan: str = ""
    more: tuple[str, ...] = ()

    @property
    def each(self) -> tuple[Event, ...]:
        """Its events, one by one."""
        plans = (self.plan, *self.more)
        return tuple(
            self._replace(seq=number, plan=plan, more=()) for number, plan in enumerate(plans, self.seq)
        )

    @property
    def last(self) -> int:
        """Number of its last event."""
        return self.seq + len(self.more)


# ---- mailbox operations ----


class Release(NamedTuple):
    """The entry is done; ``accept`` is the verdict of a connect, None of all others."""

    connection: str
    seq: int
    accept: bool | None
    texts: tuple[str, ...] = ()


class Say(NamedTuple):
    connection: str
    seq: int
    text: str


class GroupSay(NamedTuple):
    group: str
    text: str


class Join(NamedTuple):
    group: str
    connection: str


class Part(NamedTuple):
    group: str
    connection: str


Operation = Release | Say | GroupSay | Join | Part


# ---- effects, as in `trunkline.protocol.messages` ----


class Post(NamedTuple):
    interface: str
    operation: Operation


class Add(NamedTuple):
    group: str
    interface: str
    connection: str


class Broadcast(NamedTuple):
    group: str
    text: str


class Write(NamedTuple):
    interface: str
    connection: str
    value: tuple[int, ...]


class Send(NamedTuple):
    event: Event


class Register(NamedTuple):
    interface: str
    connection: str


class Unregister(NamedTuple):
    interface: str
    connection: str


class Letter(NamedTuple):
    reason: str
    event: Event


Effect = Post | Add | Broadcast | Write | Send | Register | Unregister | Letter


def farewell(interface: str, connection: str) -> Event:
    """The disconnect that the reaper publishes for a registered connection."""
    return Event(DISCONNECT, interface, connection, LAST_SEQ)
