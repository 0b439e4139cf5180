"""The world: Redis, interface servers, workers, and what an observer writes down. Each function is one atomic step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from . import interface as interfaces
from . import interface_scripts, reaper_scripts, worker_scripts
from . import worker as workers
from .interface import Batch, Interface
from .store import Rules, Store, put
from .words import CHANNELS, Effect
from .worker import Commit, Key, Worker
from .worker_scripts import Delivery


class Applied(NamedTuple):
    """Effects that Redis has applied.

    Attributes:
        delivery: of the entry they belong to.
        effects: they.
        early: before the entry was acknowledged.
        undone: Redis has lost them since.
    """

    delivery: Delivery
    effects: tuple[Effect, ...]
    early: bool = False
    undone: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """Everything.

    Attributes:
        store: Redis.
        interfaces: by id, the dead among them.
        workers: by id.
        ledger: what Redis has applied, in order; no fault takes anything out of it.
        saved: what Redis falls back to, and how long the ledger was then.
        falls: how often Redis has lost data.
    """

    store: Store = field(default_factory=Store)
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    workers: Mapping[str, Worker] = field(default_factory=dict)
    ledger: tuple[Applied, ...] = ()
    saved: tuple[Store, int] = field(default_factory=lambda: (Store(), 0))
    falls: int = 0

    @property
    def processes(self) -> tuple[Interface | Worker, ...]:
        """All there were."""
        return (*self.interfaces.values(), *self.workers.values())

    @property
    def rules(self) -> Rules:
        """What holds."""
        return self.store.rules


def new(rules: Rules, capacity: int = 1000, mailbox_capacity: int = 1000) -> World:
    """An empty world."""
    store = Store(rules, capacity, mailbox_capacity)
    return World(store, saved=(store, 0))


def with_interface(world: World, value: Interface) -> World:
    return replace(world, interfaces=put(world.interfaces, value.id, value))


def with_worker(world: World, value: Worker) -> World:
    return replace(world, workers=put(world.workers, value.id, value))


def start_interface(world: World) -> World:
    """One more interface server."""
    return with_interface(world, interfaces.begin(f"i{len(world.interfaces)}", world.rules))


def start_worker(world: World) -> World:
    """One more worker; it has its lease."""
    worker = Worker(f"w{len(world.workers)}", world.rules)
    return tick(with_worker(world, worker), worker.id, watches=False)


# ---- Redis takes a call ----


def execute_interface(world: World, identity: str) -> World:
    """Redis runs the next call of an interface server, which may be dead by now."""
    me = world.interfaces[identity]
    call, rest = me.calls[0], me.calls[1:]
    store, answer = _run(world.store, identity, call)
    me = replace(me, calls=rest, answers=(*me.answers, (call, answer)))
    return with_interface(replace(world, store=store), me)


def _run(store: Store, me: str, call: interfaces.Call) -> tuple[Store, tuple[object, ...]]:
    args = call.args
    if call.name == "register":
        known, slept = args[0], args[3]
        assert isinstance(known, int) and isinstance(slept, bool)
        return interface_scripts.register(store, me, known, store.clock + 1, slept)
    if call.name == "publish":
        batch, epoch, answered = args
        assert isinstance(batch, Batch) and isinstance(epoch, int) and isinstance(answered, int)
        return interface_scripts.publish(store, me, epoch, batch.number, answered, batch.events)
    if call.name == "renew":
        epoch, read_id, _ = args
        assert isinstance(epoch, int) and isinstance(read_id, int)
        return interface_scripts.renew(store, me, epoch, read_id)
    if call.name == "leave_group":
        token, group = args
        assert isinstance(token, int) and isinstance(group, str)
        return interface_scripts.leave_group(store, me, token, group)
    assert call.name == "restore"
    connections, groups, go_on = args[0], args[1], args[2]
    assert isinstance(connections, tuple) and isinstance(groups, dict)
    assert go_on is None or isinstance(go_on, int)
    return interface_scripts.restore(store, me, go_on, connections, groups)


def execute_worker(world: World, identity: str) -> World:
    """Redis runs the next call of a worker, which may be dead by now."""
    me = world.workers[identity]
    call, rest = me.calls[0], me.calls[1:]
    if isinstance(call, Commit):
        store, (answer, won) = worker_scripts.commit(world.store, call.outcomes)
        done = [Applied(call.deliveries[index], call.outcomes[index].effects) for index in won]
    else:
        before = world.store.applied.get(identity, 0)
        store, answer = worker_scripts.apply(world.store, identity, call.number, call.within, call.effects)
        applied = answer == 1 and before < call.number
        done = [Applied(call.delivery, call.effects, early=True)] if applied else []
    me = replace(me, calls=rest, answers=(*me.answers, (call, answer)))
    return with_worker(replace(world, store=store, ledger=(*world.ledger, *done)), me)


# ---- steps of workers ----


def read(world: World, identity: str, channels: Sequence[str], *, lost: bool = False) -> World:
    """A worker reads; the answer may be lost."""
    store, deliveries = worker_scripts.read(world.store, identity, channels, 2)
    world = replace(world, store=store)
    return world if lost else with_worker(world, workers.take(world.workers[identity], deliveries))


def claim(world: World, identity: str, *, lost: bool = False) -> World:
    """A worker takes over; the answer may be lost."""
    store, deliveries = worker_scripts.claim(world.store, identity, 2, CHANNELS)
    world = replace(world, store=store)
    return world if lost else with_worker(world, workers.take(world.workers[identity], deliveries))


def find(world: World, identity: str) -> World:
    """A worker asks what it holds."""
    if not world.rules.found_again:
        return world
    deliveries = worker_scripts.held(world.store, identity, CHANNELS)
    return with_worker(world, workers.take(world.workers[identity], deliveries))


def begin(world: World, identity: str, key: Key) -> World:
    """A worker reads the session and begins a handler."""
    worker = world.workers[identity]
    value, _ = world.store.sessions.get(worker.held[key].delivery.event.connection, ((), False))
    return with_worker(world, workers.begin(worker, key, value))


def give_back(world: World, identity: str, key: Key) -> World:
    """A worker hands back what it has not begun."""
    channel, entry_id = key
    store, _ = worker_scripts.give_back(world.store, identity, channel, [entry_id], 0)
    worker = world.workers[identity]
    held = {other: work for other, work in worker.held.items() if other != key}
    return with_worker(replace(world, store=store), replace(worker, held=held))


def tick(
    world: World, identity: str, *, watches: bool = True, gap: bool = False, search: bool = False
) -> World:
    """A worker's heartbeat."""
    store = world.store
    store = reaper_scripts.tick(store, identity, store.clock + 1, watches=watches, gap=gap, search=search)
    return replace(world, store=store)


def reap(world: World, budget: int = 1) -> World:
    """One step of burying interface servers."""
    store, _ = reaper_scripts.reap(world.store, budget)
    return replace(world, store=store)


def leave(world: World, identity: str) -> World:
    """A worker ends in good order: nothing is at work, but it may hold what it has not taken note of."""
    store, _ = worker_scripts.leave(world.store, identity)
    return with_worker(replace(world, store=store), replace(world.workers[identity], alive=False))


# ---- steps of interface servers ----


def mail(world: World, identity: str) -> World:
    """An interface server reads the next entry of its mailbox."""
    me, box = world.interfaces[identity], world.store.mailboxes.get(identity)
    for entry_id, operations in box.entries.items() if box is not None else ():
        if entry_id > me.read_id:
            return with_interface(world, interfaces.mail(me, entry_id, operations))
    return world


def retire(world: World, identity: str) -> World:
    """An interface server ends in good order."""
    store, _ = interface_scripts.retire(world.store, identity)
    me = interfaces.fenced(world.interfaces[identity])
    return with_interface(replace(world, store=store), replace(me, calls=(), answers=()))


# ---- faults ----


def lease_over(world: World, process: str) -> World:
    """A lease has run out."""
    store, me = world.store, world.interfaces.get(process)
    if me is not None and me.stopped:
        world = with_interface(world, replace(me, sleeps=me.sleeps + 1))
    leases = {**store.leases, **({process: False} if process in store.leases else {})}
    return replace(world, store=replace(store, leases=leases))


def save(world: World) -> World:
    """What Redis has done so far is safe from now on."""
    return replace(world, saved=(world.store, len(world.ledger)))


def fall_back(world: World) -> World:
    """Redis loses what it did since it was last safe: a crash between two fsyncs, a replica that lagged."""
    store, length = world.saved
    return _lose(world, replace(store, clock=world.store.clock), length)


def lose_all(world: World) -> World:
    """Redis loses everything."""
    store = Store(world.rules, world.store.capacity, world.store.mailbox_capacity, world.store.clock)
    return replace(_lose(world, store, 0), saved=(store, 0))


def _lose(world: World, store: Store, length: int) -> World:
    undone = tuple(one._replace(undone=True) for one in world.ledger[length:])
    return replace(world, store=store, ledger=(*world.ledger[:length], *undone), falls=world.falls + 1)


def cut(world: World, process: str) -> World:
    """The connection of a process breaks: what it has not heard is lost, and what Redis has not taken is not done."""
    if process in world.interfaces:
        me = world.interfaces[process]
        dead = replace(me, calls=(), answers=())
        return with_interface(world, interfaces.reconnect(me) if me.alive and not me.ended else dead)
    worker = world.workers[process]
    return with_worker(
        world, workers.reconnect(worker) if worker.alive else replace(worker, calls=(), answers=())
    )
