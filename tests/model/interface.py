"""An interface server as a frozen value: what it knows, what it has sent and not heard about.

It does what `trunkline.interface` (flow, groups, mailbox, publisher, tenure) and the interface's side of the Redis
layer (publishing, recovery, standing) do. Each function is one step of the process; what it does to Redis lies in
`calls` until a rule of the machine lets Redis take it, and the answer in `answers` until a rule lets the process hear
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from .store import REAL, Rules, cut, put
from .words import (
    CONNECT,
    DISCONNECT,
    MOST_EVENTS,
    RECEIVE,
    Event,
    GroupSay,
    Join,
    Operation,
    Part,
    Release,
    Say,
)


class Batch(NamedTuple):
    """A numbered batch: events, each with whether it must be taken."""

    number: int
    events: tuple[tuple[Event, bool], ...]


class Call(NamedTuple):
    """A call on its way to Redis.

    Attributes:
        name: of the script.
        session: of the interface when it was sent; answers of an older one are void.
        args: what the script needs besides interface and epoch.
    """

    name: str
    session: int
    args: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Connection:
    """A WebSocket.

    Attributes:
        state: ``connecting``, ``open`` or ``closed``.
        next: number of the next event.
        flight: the event under way.
        batch: number of the batch it left with; 0 while it waits to be sent again.
        waiting: plans of frames that wait.
        left: the client is gone.
        ended: the disconnect was given.
        saying: the disconnect was given and has not left yet.
        early: what was sent before it opened.
        got: what the client was sent.
    """

    state: str = "connecting"
    next: int = 1
    flight: Event | None = None
    batch: int = 0
    waiting: tuple[str, ...] = ()
    left: bool = False
    ended: bool = False
    saying: bool = False
    early: tuple[str, ...] = ()
    got: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface server.

    Attributes:
        id: its id.
        rules: what holds.
        epoch: of Redis' data as last registered.
        session: rises with every interruption.
        live: calls may be sent.
        ended: fenced or retired.
        alive: the process runs (it may be stopped).
        stopped: by a signal, or by a machine that sleeps.
        sleeps: how often it was stopped for longer than its lease.
        survived: so many of these it knows to have done no harm.
        next: number of the next batch.
        answered: number of the last batch whose answer was read.
        unanswered: batches.
        lost_after: the last batch that Redis knows, while it has lost others and that is not mended.
        read_id: last mailbox entry handled.
        connections: by id.
        gone: what clients of forgotten connections had been sent.
        members: group to its members here.
        tokens: group to the token of its newest add.
        leaving: groups being left.
        emptied: groups that lost their last member while a mailbox entry is handled; None outside of one.
        retry: refused events that go out again.
        calls: sent; Redis has not taken them.
        answers: given by Redis; not heard.
    """

    id: str
    rules: Rules = REAL
    epoch: int = 0
    session: int = 0
    live: bool = False
    ended: bool = False
    alive: bool = True
    stopped: bool = False
    sleeps: int = 0
    survived: int = 0
    next: int = 1
    answered: int = 0
    unanswered: tuple[Batch, ...] = ()
    lost_after: int | None = None
    read_id: int = 0
    connections: Mapping[str, Connection] = field(default_factory=dict)
    gone: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    leaving: Mapping[str, int] = field(default_factory=dict)
    emptied: Mapping[str, int] | None = None
    retry: tuple[Event, ...] = ()
    calls: tuple[Call, ...] = ()
    answers: tuple[tuple[Call, tuple[object, ...]], ...] = ()

    @property
    def runs(self) -> bool:
        """Whether the process can do a step."""
        return self.alive and not self.stopped and not self.ended


def begin(identity: str, rules: Rules) -> Interface:
    """A new interface server on its way to its registration."""
    return _call(Interface(identity, rules), "register", 0, 0, 0, False)


def _call(interface: Interface, name: str, *args: object) -> Interface:
    return replace(interface, calls=(*interface.calls, Call(name, interface.session, args)))


def _set(interface: Interface, connection: str, value: Connection) -> Interface:
    return replace(interface, connections=put(interface.connections, connection, value))


# ---- the way out ----


def publish(interface: Interface, events: Sequence[Event]) -> Interface:
    """Publishes events in one batch; each is its connection's event under way from here on."""
    batch = Batch(interface.next, tuple((event, event.channel == DISCONNECT) for event in events))
    for event in events:
        found = replace(interface.connections[event.connection], flight=event, batch=batch.number)
        interface = _set(interface, event.connection, found)
    interface = replace(interface, next=batch.number + 1, unanswered=(*interface.unanswered, batch))
    return _send(interface, batch) if interface.live else interface


def _send(interface: Interface, batch: Batch) -> Interface:
    return _call(interface, "publish", batch, interface.epoch, interface.answered)


def connect(interface: Interface, connection: str) -> Interface:
    """A client begins a handshake."""
    interface = _set(interface, connection, Connection())
    return publish(interface, [Event(CONNECT, interface.id, connection, 0)])


def frames(interface: Interface, plans: Mapping[str, str]) -> Interface:
    """Clients send a message each, all in one tick of the event loop; what may leave leaves in one batch."""
    events: list[Event] = []
    for connection, plan in plans.items():
        found = interface.connections[connection]
        idle = found.flight is None or not interface.rules.one_in_flight
        if idle and not found.waiting:
            events.append(Event(RECEIVE, interface.id, connection, found.next, plan))
            found = replace(found, next=found.next + 1)
        else:
            found = replace(found, waiting=(*found.waiting, plan))
        interface = _set(interface, connection, found)
    return publish(interface, events) if events else interface


def close(interface: Interface, connection: str) -> Interface:
    """A client leaves, before or after its handshake was answered."""
    found = replace(interface.connections[connection], left=True)
    interface = _set(interface, connection, found)
    return _end(interface, connection) if found.state == "open" else interface


def _end(interface: Interface, connection: str) -> Interface:
    found = interface.connections[connection]
    if found.ended:
        return interface
    found = replace(found, state="closed", ended=True, saying=True)
    interface = _drop(_set(interface, connection, found), connection)
    return _publish_next(interface, connection)


def _publish_next(interface: Interface, connection: str) -> Interface:
    found = interface.connections[connection]
    if found.flight is not None and interface.rules.one_in_flight:
        return interface
    number = found.next
    if found.waiting:
        together, rest = found.waiting[:MOST_EVENTS], found.waiting[MOST_EVENTS:]
        event = Event(RECEIVE, interface.id, connection, number, together[0], together[1:])
        count = len(together) if interface.rules.counted_each else 1
        found = replace(found, next=number + count, waiting=rest)
    elif found.saying:
        event = Event(DISCONNECT, interface.id, connection, number)
        found = replace(found, next=number + 1, saying=False)
    else:
        return _forget(interface, connection) if found.ended else interface
    return publish(_set(interface, connection, found), [event])


def _forget(interface: Interface, connection: str) -> Interface:
    gone = put(interface.gone, connection, interface.connections[connection].got)
    return replace(interface, connections=cut(interface.connections, connection), gone=gone)


# ---- groups ----


def _drop(interface: Interface, connection: str) -> Interface:
    """Takes a connection out of all its groups."""
    for group in [name for name, members in interface.members.items() if connection in members]:
        interface = _discard(interface, group, connection)
    return interface


def _discard(interface: Interface, group: str, connection: str) -> Interface:
    members = interface.members.get(group, ())
    if connection not in members:
        return interface
    rest = tuple(member for member in members if member != connection)
    if rest:
        return replace(interface, members=put(interface.members, group, rest))
    token = interface.tokens[group]
    interface = replace(interface, members=cut(interface.members, group), tokens=cut(interface.tokens, group))
    return _leave(interface, group, token)


def _leave(interface: Interface, group: str, token: int) -> Interface:
    if interface.emptied is not None:
        return replace(interface, emptied=put(interface.emptied, group, token))
    interface = replace(interface, leaving=put(interface.leaving, group, token))
    return _call(interface, "leave_group", token, group) if interface.live else interface


def _join(interface: Interface, operation: Join, token: int) -> Interface:
    group, connection = operation
    found = interface.connections.get(connection)
    members = interface.members.get(group, ())
    if found is None or found.state == "closed":
        if not members:
            return _leave(interface, group, token)
    elif connection not in members:
        interface = replace(interface, members=put(interface.members, group, (*members, connection)))
    return replace(interface, tokens=put(interface.tokens, group, token))


# ---- the way back ----


def mail(interface: Interface, entry_id: int, operations: Sequence[Operation]) -> Interface:
    """A mailbox entry has come."""
    interface = replace(interface, read_id=entry_id, emptied={} if interface.rules.leaves_last else None)
    for operation in operations:
        if isinstance(operation, Release):
            interface = _released(interface, operation)
        elif isinstance(operation, Say):
            found = interface.connections.get(operation.connection)
            flight = found.flight if found is not None else None
            if (flight is not None and flight.seq == operation.seq) or not interface.rules.seqs:
                interface = _show(interface, operation.connection, operation.text)
        elif isinstance(operation, GroupSay):
            for member in interface.members.get(operation.group, ()):
                interface = _show(interface, member, operation.text)
        elif isinstance(operation, Join):
            interface = _join(interface, operation, entry_id)
        elif isinstance(operation, Part):
            interface = _discard(interface, operation.group, operation.connection)
    emptied, interface = interface.emptied or {}, replace(interface, emptied=None)
    for group, token in emptied.items():
        if group not in interface.members:
            interface = _leave(interface, group, token)
    return interface


def _show(interface: Interface, connection: str, text: str) -> Interface:
    found = interface.connections.get(connection)
    if found is None or found.state == "closed":
        return interface
    if found.state == "connecting":
        return _set(interface, connection, replace(found, early=(*found.early, text)))
    return _set(interface, connection, replace(found, got=(*found.got, text)))


def _released(interface: Interface, operation: Release) -> Interface:
    connection = operation.connection
    found = interface.connections.get(connection)
    if found is None:
        return interface
    flight = found.flight
    if (flight is None or flight.seq != operation.seq) and interface.rules.seqs:
        return interface
    found = replace(found, flight=None, batch=0)
    interface = _set(interface, connection, found)
    if operation.accept is False:
        interface = _set(interface, connection, replace(found, state="closed", ended=True))
        return _forget(_drop(interface, connection), connection)
    if operation.accept and found.state == "connecting":
        if found.left:
            return _end(interface, connection)
        interface = _set(interface, connection, replace(found, state="open", got=found.early, early=()))
    for text in operation.texts:
        interface = _show(interface, connection, text)
    return _publish_next(interface, connection)


# ---- what Redis answers ----


def hear(interface: Interface) -> Interface:
    """Reads the next answer."""
    (call, answer), rest = interface.answers[0], interface.answers[1:]
    interface = replace(interface, answers=rest)
    if call.name == "leave_group":
        token, group = call.args
        if interface.leaving.get(str(group)) == token:
            interface = replace(interface, leaving=cut(interface.leaving, str(group)))
        return interface
    if call.session != interface.session:
        return interface
    return _HEARD[call.name](interface, call, answer)


def _published(interface: Interface, call: Call, answer: tuple[object, ...]) -> Interface:
    if answer[0] not in ("taken", "refused"):
        return _odd(interface, answer)
    batch = interface.unanswered[0]
    assert batch == call.args[0]
    interface = replace(interface, unanswered=interface.unanswered[1:], answered=batch.number)
    indices = answer[1] if answer[0] == "refused" else ()
    assert isinstance(indices, tuple)
    for index in indices:
        event = batch.events[index - 1][0]
        found = interface.connections.get(event.connection)
        if found is None or found.flight != event:
            continue
        if found.state == "connecting":
            interface = _forget(interface, event.connection)
        else:
            interface = _set(interface, event.connection, replace(found, batch=0))
            interface = replace(interface, retry=(*interface.retry, event))
    return interface


def _renewed(interface: Interface, call: Call, answer: tuple[object, ...]) -> Interface:
    if answer[0] != "ok":
        return _odd(interface, answer)
    interface = _survived(interface, call.args[2])
    known = answer[1]
    assert isinstance(known, int)
    return _odd(interface, ("gap",)) if known < interface.answered else interface


def _survived(interface: Interface, sleeps: object) -> Interface:
    """Redis, asked behind so many sleeps, knows it still."""
    assert isinstance(sleeps, int)
    return replace(interface, survived=max(interface.survived, sleeps))


def _odd(interface: Interface, answer: tuple[object, ...]) -> Interface:
    """Not about the call but about us: fenced, or data was lost."""
    return fenced(interface) if answer[0] == "fenced" else _register(interface)


def fenced(interface: Interface) -> Interface:
    """It ends: its sockets are closed, and nothing of it is published any more."""
    gone = {name: found.got for name, found in interface.connections.items()}
    return replace(
        interface, ended=True, live=False, connections={}, gone={**interface.gone, **gone}, members={}, tokens={},
        leaving={}, unanswered=(), retry=(),
    )  # fmt: skip


def again(interface: Interface) -> Interface:
    """Refused events go out again."""
    events = [
        event
        for event in interface.retry
        if event.connection in interface.connections
        and interface.connections[event.connection].flight == event
    ]
    interface = replace(interface, retry=())
    return publish(interface, events) if events else interface


def renew(interface: Interface) -> Interface:
    """Renews its lease."""
    args = (interface.epoch, interface.read_id, interface.sleeps)
    return _call(interface, "renew", *args) if interface.live else interface


def reconnect(interface: Interface) -> Interface:
    """The connection is gone, with calls and answers on it, and another one is there."""
    return _register(replace(interface, calls=(), answers=()))


def _register(interface: Interface) -> Interface:
    interface = replace(interface, live=False, session=interface.session + 1)
    sleeps = interface.sleeps
    slept = bool(interface.epoch) and sleeps > interface.survived
    return _call(interface, "register", interface.epoch, interface.read_id, sleeps, slept)


def _registered(interface: Interface, call: Call, answer: tuple[object, ...]) -> Interface:
    if answer[0] == "fenced":
        return fenced(interface)
    interface = _survived(interface, call.args[2])
    _, epoch, known, last_id = answer
    assert isinstance(epoch, int) and isinstance(known, int) and isinstance(last_id, int)
    if interface.epoch and (epoch != interface.epoch or known < interface.answered):
        before = interface.lost_after
        interface = replace(interface, lost_after=known if before is None else min(known, before))
    interface = replace(interface, epoch=epoch)
    if interface.read_id == call.args[1] or not interface.rules.reads_on:
        interface = replace(interface, read_id=min(interface.read_id, last_id))
    if interface.lost_after is None:
        return _go_on(interface)
    if not interface.rules.restored:
        return _call(interface, "restore", (), {}, interface.answered)
    held = tuple(
        name
        for name, found in interface.connections.items()
        if found.state != "connecting" and not (found.ended and not found.saying)
    )
    groups = dict(interface.tokens)
    return _call(interface, "restore", held, {}, None, groups)


def _restored(interface: Interface, call: Call, answer: tuple[object, ...]) -> Interface:
    if answer[0] != 1:
        return reconnect(interface)
    if len(call.args) == 4:  # the connections are written; then the groups as they were, then the end
        return _call(interface, "restore", (), call.args[3], None)
    if call.args[2] is None:
        return _call(interface, "restore", (), {}, interface.answered)
    return _go_on(interface)


def _go_on(interface: Interface) -> Interface:
    """Both have the same view: sends what has no answer, and publishes again what was lost."""
    interface = replace(interface, live=True)
    for batch in interface.unanswered:
        interface = _send(interface, batch)
    for group, token in interface.leaving.items():
        interface = _call(interface, "leave_group", token, group)
    after = interface.lost_after
    if after is None:
        return interface
    interface = replace(interface, lost_after=None)
    lost = [
        found.flight
        for found in interface.connections.values()
        if found.flight is not None and after < found.batch <= interface.answered
    ]
    return publish(interface, lost) if lost and interface.rules.republished else interface


_HEARD = {"publish": _published, "renew": _renewed, "register": _registered, "restore": _restored}
