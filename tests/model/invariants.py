"""What must hold, said about the ledger (what Redis has applied) and about what clients were sent.

`holding` may be asked after every step, `settled` when nothing is on its way any more. Where Redis has lost data, only
what DESIGN.md promises then: see `settled_after_a_loss`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from . import application
from .interface import Connection
from .words import (
    CONNECT,
    DISCONNECT,
    JOBS,
    LAST_SEQ,
    SOCKET_CHANNELS,
    Add,
    Broadcast,
    Part,
    Post,
    Release,
    Say,
    Write,
)
from .world import Applied, World


def holding(world: World) -> None:
    """At every moment: each event's effects once, a connection's in order, its disconnect once and last; the session
    shows every event before; nobody was sent anything twice or out of turn."""
    _once_and_in_order(world.ledger)
    sessions_remember(world.ledger)
    sent = what_clients_are_sent(world.ledger)
    for connection, got in what_clients_got(world).items():
        whole = sent.get(connection, ())
        assert got == whole[: len(got)], f"{connection} got {got}, was sent {whole}"


def settled(world: World) -> None:
    """In the end: everything has happened, and nothing is left over."""
    holding(world)
    _everything_was_handled(world)
    sent = what_clients_are_sent(world.ledger)
    for name, found in open_connections(world).items():
        assert found.got == sent[name], f"{name} got {found.got}, was sent {sent[name]}"
    disconnected_once(world)
    _nothing_is_left(world)


def holding_after_a_loss(world: World) -> None:
    """Redis has lost data: no standing effects twice, and each client hears the answers to its own events once and in
    their order."""
    standing = Counter(one.delivery.event for one in world.ledger if not one.early and not one.undone)
    assert not [event for event, count in standing.items() if count > 1], standing
    again = _sent_early(world.ledger)
    for connection, got in what_clients_got(world).items():
        answers = [
            int(text.partition(":")[2]) for text in got if _is_answer(connection, text) and text not in again
        ]
        assert answers == sorted(set(answers)), f"{connection} got {got}"


def settled_after_a_loss(world: World) -> None:
    """In the end: every event was answered, and every connection and membership that there is stands in Redis."""
    holding_after_a_loss(world)
    here = open_connections(world)
    registered = {name for connections in world.store.registry.values() for name in connections}
    assert registered >= set(here), f"registered: {registered}, open: {set(here)}"
    for interface in world.interfaces.values():
        for name, found in interface.connections.items() if interface.runs else ():
            assert found.flight is None and not found.waiting and found.state == "open", (
                f"{name} hangs: {found}"
            )
            answers = {text for text in found.got if _is_answer(name, text)}
            assert len(answers) == found.next, f"{name} got {len(answers)} answers to {found.next} events"
        for group in interface.members if interface.runs else ():
            assert interface.id in world.store.groups.get(group, {}), (
                f"{interface.id} is not in {group} any more"
            )


def the_buried_are_silent(ledger: Iterable[Applied]) -> None:
    """What the reaper has said good-bye for says nothing any more, whatever Redis has lost since."""
    gone: set[str] = set()
    for delivery, _, early, _ in ledger:
        event = delivery.event
        if early or event.channel == JOBS:
            continue
        assert event.connection not in gone, f"{event} was handled behind the disconnect by the reaper"
        if application.is_farewell(event):
            gone.add(event.connection)


def _sent_early(ledger: Iterable[Applied]) -> set[str]:
    """What was sent early, with the answers to earlier events of its entry: it may come again."""
    return {
        effect.operation.text
        for _, effects, early, _ in ledger
        if early
        for effect in effects
        if isinstance(effect, Post) and isinstance(effect.operation, Say)
    }


def _is_answer(connection: str, text: str) -> bool:
    return text.startswith(f"{connection}:") and text.partition(":")[2].isdecimal()


# ---- effects ----


def _once_and_in_order(ledger: Iterable[Applied]) -> None:
    last: dict[str, int] = {}
    jobs: Counter[str] = Counter()
    for delivery, _, early, undone in ledger:
        event = delivery.event
        if early or undone:
            continue
        if event.channel == JOBS:
            jobs[event.connection] += 1
            assert jobs[event.connection] == 1, f"{event} was handled twice"
            continue
        before = last.get(event.connection, -1)
        assert before < event.seq, f"{event} was handled behind number {before}"
        last[event.connection] = LAST_SEQ if event.channel == DISCONNECT else event.last


def sessions_remember(ledger: Iterable[Applied]) -> None:
    """Each handler found in the session what the ones before it had left there."""
    handled: dict[str, tuple[int, ...]] = defaultdict(tuple)
    for delivery, effects, _, undone in ledger:
        for effect in effects:
            if isinstance(effect, Write) and not undone:
                expected = (*handled[effect.connection], *(one.seq for one in delivery.event.each))
                assert effect.value == expected, (
                    f"the session of {effect.connection}: {effect.value}, not {expected}"
                )
                handled[effect.connection] = expected


# ---- what clients see ----


def what_clients_are_sent(ledger: Iterable[Applied]) -> dict[str, tuple[str, ...]]:
    """By the effects in their order: replies to a connection, and what is sent to groups while it is a member."""
    sent: dict[str, tuple[str, ...]] = defaultdict(tuple)
    members: dict[str, dict[str, None]] = defaultdict(dict)
    for _, effects, _, _ in ledger:
        for effect in effects:
            if isinstance(effect, Add):
                members[effect.group][effect.connection] = None
            elif isinstance(effect, Broadcast):
                for member in members[effect.group]:
                    sent[member] += (effect.text,)
            elif isinstance(effect, Post):
                operation = effect.operation
                if isinstance(operation, Release):
                    sent[operation.connection] += operation.texts
                elif isinstance(operation, Say):
                    sent[operation.connection] += (operation.text,)
                elif isinstance(operation, Part):
                    members[operation.group].pop(operation.connection, None)
    return sent


def what_clients_got(world: World) -> dict[str, tuple[str, ...]]:
    """Of every connection there was."""
    got: dict[str, tuple[str, ...]] = {}
    for interface in world.interfaces.values():
        got |= interface.gone
        got |= {name: found.got for name, found in interface.connections.items()}
    return got


def open_connections(world: World) -> dict[str, Connection]:
    """At interface servers that run."""
    return {
        name: found
        for interface in world.interfaces.values()
        if interface.runs
        for name, found in interface.connections.items()
        if found.state == "open"
    }


# ---- the end ----


def _everything_was_handled(world: World) -> None:
    handled = {one.delivery.event for one in world.ledger if not one.early}
    early = {one.delivery.event for one in world.ledger if one.early}
    for one in world.ledger:
        event = one.delivery.event
        poison = one.delivery.attempt > application.POISON_ATTEMPTS
        if not one.early and application.early(event) and not poison:
            assert event in early, f"what {event} sent early was lost"
    for interface in world.interfaces.values():
        if not interface.runs:
            continue
        for name, found in interface.connections.items():
            assert found.flight is None and not found.waiting and found.state == "open", (
                f"{name} hangs: {found}"
            )
            seqs = {
                one.seq
                for event in handled
                for one in event.each
                if event.connection == name and event.channel in SOCKET_CHANNELS
            }
            assert seqs == set(range(found.next)), f"{name}: {seqs} were handled of {found.next}"


def _accepted(ledger: Iterable[Applied]) -> dict[str, str]:
    """Connection to interface, of all that were accepted."""
    return {
        delivery.event.connection: delivery.event.interface
        for delivery, effects, early, _ in ledger
        if not early and delivery.event.channel == CONNECT and any(isinstance(one, Add) for one in effects)
    }


def disconnected_once(world: World) -> None:
    """Of every accepted connection that is gone, and of no other."""
    counts = Counter(
        one.delivery.event.connection
        for one in world.ledger
        if one.delivery.event.channel == DISCONNECT and not one.early and not one.undone
    )
    here = open_connections(world)
    for name in _accepted(world.ledger):
        expected = 0 if name in here else 1
        assert counts[name] == expected, f"{counts[name]} disconnects of {name}, not {expected}"


def _nothing_is_left(world: World) -> None:
    store, here = world.store, open_connections(world)
    registered = {name for connections in store.registry.values() for name in connections}
    assert registered == set(here), f"registered: {registered}, open: {set(here)}"
    assert set(store.sessions) <= set(here), f"sessions: {set(store.sessions)}, open: {set(here)}"
    assert not any(expires for _, expires in store.sessions.values())
    expected: dict[str, set[str]] = defaultdict(set)
    for interface in world.interfaces.values():
        if interface.runs:
            for group in interface.members:
                expected[group].add(interface.id)
            assert not interface.leaving
    groups: Mapping[str, set[str]] = {group: set(members) for group, members in store.groups.items()}
    assert groups == expected, f"groups: {groups}, members at: {dict(expected)}"
    of = {interface: set(names) for interface, names in store.groups_of.items()}
    assert of == _turned(expected), f"groups of interfaces: {of}, members at: {dict(expected)}"
    assert not store.barriers and not store.reaping and not store.dead_workers


def _turned(groups: Mapping[str, set[str]]) -> dict[str, set[str]]:
    turned: dict[str, set[str]] = defaultdict(set)
    for group, members in groups.items():
        for member in members:
            turned[member].add(group)
    return turned
