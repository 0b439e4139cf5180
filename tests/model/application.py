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
    """What the handlers of an entry send before they end; with it goes what earlier frames of the entry have sent."""
    last = _last_early(event)
    if last is None:
        return ()
    effects, texts = _folded(event, event.each[:last])
    return (*effects, *_says(event, (*texts, early_text(event.each[last]))))


def _last_early(event: Event) -> int | None:
    """The index of the last event of an entry that is sent early."""
    if event.channel == CONNECT:
        return None
    return max((index for index, one in enumerate(event.each) if one.plan == "early"), default=None)


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
    written = Write(*mine, (*session, *(one.seq for one in event.each)))
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
    effects, texts = _folded(event, event.each[_last_early(event) or 0 :])
    return (*effects, written, Post(event.interface, Release(event.connection, event.seq, None, texts)))


def _folded(entry: Event, events: tuple[Event, ...]) -> tuple[list[Effect], tuple[str, ...]]:
    """The effects of some events of an entry, and the answers that may go into its release: those behind the last
    effect whose place among them the client can see."""
    effects: list[Effect] = []
    texts: tuple[str, ...] = ()
    for one in events:
        for effect in _planned(one):
            if isinstance(effect, Post | Add | Broadcast):
                effects += _says(entry, texts)
                texts = ()
            effects.append(effect)
        texts += (f"{one.connection}:{one.seq}",)
    return effects, texts


def _says(entry: Event, texts: tuple[str, ...]) -> list[Effect]:
    return [Post(entry.interface, Say(entry.connection, entry.seq, text)) for text in texts]


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
    letters = [Letter("poison", one) for one in event.each]
    if event.channel == CONNECT:
        return (*letters, Post(event.interface, Release(event.connection, event.seq, False)))
    release = Post(event.interface, Release(event.connection, event.seq, None))
    if event.channel == DISCONNECT:
        return (*letters, release, Unregister(event.interface, event.connection))
    return (*letters, release)


def is_farewell(event: Event) -> bool:
    """Whether the reaper published it."""
    return event.seq == LAST_SEQ
