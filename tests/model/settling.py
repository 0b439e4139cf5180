"""The end of a run: no more faults, and everybody goes on until nothing is left to do."""

from __future__ import annotations

from dataclasses import replace

from . import interface as interfaces
from . import worker as workers
from . import world as steps
from .words import CHANNELS
from .world import World

ROUNDS = 60
"""More than any history of the machines needs; whoever needs more never ends."""
HEARTBEATS = 6
"""So many heartbeats bury a worker or an interface server whose lease has run out."""


def settle(world: World) -> World:
    """Lets everything come to an end.

    Raises:
        AssertionError: it does not.
    """
    world = _wake(world)
    for _ in range(ROUNDS):
        before = world
        world = _round(world)
        if quiet(world) and _shape(world) == _shape(before):
            return world
    raise AssertionError(f"it never ends: {world}")


def _shape(world: World) -> object:
    return replace(world.store, clock=0, suspects={}), world.interfaces, world.workers


def quiet(world: World) -> bool:
    """Whether nothing is on its way."""
    return (
        not any(stream.entries for stream in world.store.streams.values())
        and not any(process.calls or process.answers for process in world.processes if process.alive)
        and not any(found.unanswered or found.retry for found in world.interfaces.values() if found.runs)
        and not world.store.reaping
    )


def _wake(world: World) -> World:
    for interface in world.interfaces.values():
        world = steps.with_interface(world, replace(interface, stopped=False))
        if not interface.alive or interface.ended:
            world = steps.cut(world, interface.id)
    for worker in world.workers.values():
        world = steps.with_worker(world, replace(worker, stopped=False))
        if not worker.alive:
            world = steps.cut(world, worker.id)
    if not any(worker.alive for worker in world.workers.values()):
        world = steps.start_worker(world)
    return world


def _round(world: World) -> World:
    for identity, interface in world.interfaces.items():
        if interface.alive and not interface.ended:
            world = interface_goes_on(world, identity)
        else:
            world = steps.cut(steps.lease_over(world, identity), identity)
    watcher = ""
    for identity, worker in world.workers.items():
        if worker.alive:
            watcher = identity
            world = steps.tick(world, identity, watches=False)
        else:
            world = steps.lease_over(world, identity)
    for _ in range(HEARTBEATS):
        world = steps.tick(world, watcher, search=True)
    while True:
        before = world
        world = steps.reap(world)
        if world.store == before.store:
            break
    for identity, worker in world.workers.items():
        if worker.alive:
            world = worker_goes_on(world, identity)
    return world


def interface_goes_on(world: World, identity: str) -> World:
    """An interface server renews its lease, hears what it was answered, reads its mailbox."""
    me = world.interfaces[identity]
    world = steps.with_interface(world, interfaces.renew(interfaces.again(me)))
    world = _talk_interface(world, identity)
    while True:
        before = world
        world = _talk_interface(steps.mail(world, identity), identity)
        if world.interfaces[identity] == before.interfaces[identity]:
            return world


def _talk_interface(world: World, identity: str) -> World:
    while (me := world.interfaces[identity]).calls or me.answers:
        if me.calls:
            world = steps.execute_interface(world, identity)
        else:
            world = steps.with_interface(world, interfaces.hear(me))
        if world.interfaces[identity].ended:
            return steps.cut(world, identity)
    return world


def worker_goes_on(world: World, identity: str) -> World:
    """A worker takes over, reads, handles and commits."""
    world = steps.find(_talk_worker(world, identity), identity)
    world = steps.read(steps.claim(world, identity), identity, CHANNELS)
    for key in world.workers[identity].to_begin():
        world = steps.begin(world, identity, key)
    world = _talk_worker(world, identity)
    keys = world.workers[identity].to_finish()
    if keys:
        world = steps.with_worker(world, workers.finish(world.workers[identity], keys))
    return _talk_worker(world, identity)


def _talk_worker(world: World, identity: str) -> World:
    while (me := world.workers[identity]).calls or me.answers:
        world = (
            steps.execute_worker(world, identity) if me.calls else steps.with_worker(world, workers.hear(me))
        )
    return world
