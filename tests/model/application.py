"""The application whose handlers the workers of the model run: what each event does is said by its plan."""

from __future__ import annotations

from .words import (
    CONNECT,
    DISCONNECT,
    JOBS,
    LAST_SEQ,
    Add,
    Broadcast,
    Effect,
    Event,
    Letter,
    Part,
    Post,
    Register,
    Release,
    Say,
    Send,
    Unregister,
    Write,
)
from .worker_scripts import Delivery

LOBBY = "lobby"
"""Every connection joins it when it connects."""
ROOM = "room"
"""Joined and left by plan."""

PLANS = ("say", "join", "part", "early", "job")
POISON_ATTEMPTS = 3

Session = tuple[int, ...]
"""The numbers of the events that were handled."""


def early(event: Event) -> tuple[Effect, ...]:
    """What the handler sends before it ends."""
    if event.channel != CONNECT and event.plan == "early":
        return (Post(event.interface, Say(event.connection, event.seq, early_text(event))),)
    return ()


def early_text(event: Event) -> str:
    return f"{event.connection}:{event.seq} early"


def handle(delivery: Delivery, session: Session) -> tuple[Effect, ...]:
    """The effects of an entry, in the order the worker commits them in."""
    event = delivery.event
    if event.channel == JOBS:
        return (Broadcast(LOBBY, f"{event.connection} done"),)
    if delivery.attempt > POISON_ATTEMPTS:
        return _condemned(event)
    mine = (event.interface, event.connection)
    written = Write(*mine, (*session, event.seq))
    if event.channel == CONNECT:
        accepted = Release(event.connection, event.seq, True, (f"{event.connection}:0",))
        return (Register(*mine), Add(LOBBY, *mine), written, Post(event.interface, accepted))
    if event.channel == DISCONNECT:
        said = Broadcast(LOBBY, f"{event.connection} left")
        return (
            said,
            written,
            Post(event.interface, Release(event.connection, event.seq, None)),
            Unregister(*mine),
        )
    answer = Release(event.connection, event.seq, None, (f"{event.connection}:{event.seq}",))
    return (*_planned(event), written, Post(event.interface, answer))


def _planned(event: Event) -> tuple[Effect, ...]:
    if event.plan == "join":
        return (
            Add(ROOM, event.interface, event.connection),
            Broadcast(ROOM, f"{event.connection}:{event.seq} joins"),
        )
    if event.plan == "part":
        return (Post(event.interface, Part(ROOM, event.connection)),)
    if event.plan == "job":
        return (Send(Event(JOBS, "", f"{event.connection}:{event.seq} job", 0)),)
    return (Broadcast(ROOM, f"{event.connection}:{event.seq} says"),)


def _condemned(event: Event) -> tuple[Effect, ...]:
    """The effects of a poison entry."""
    letter = Letter("poison", event)
    if event.channel == CONNECT:
        return (letter, Post(event.interface, Release(event.connection, event.seq, False)))
    release = Post(event.interface, Release(event.connection, event.seq, None))
    if event.channel == DISCONNECT:
        return (letter, release, Unregister(event.interface, event.connection))
    return (letter, release)


def is_farewell(event: Event) -> bool:
    """Whether the reaper published it."""
    return event.seq == LAST_SEQ
