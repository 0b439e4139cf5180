"""The state machine that hypothesis explores: every rule is one atomic step of some process, or one fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from . import application, invariants, settling
from . import interface as interfaces
from . import worker as workers
from . import world as steps
from .store import REAL, Rules
from .words import CHANNELS
from .world import World

MOST_CONNECTIONS = 4
MOST_INTERFACES = 3
MOST_WORKERS = 5
MOST_FALLS = 3

picks = st.integers(0, 11)
"""Which of those that can do a step does it: taken modulo how many there are."""


class Machine(RuleBasedStateMachine):
    """Interface servers and workers in their everyday life; the faults are added by subclasses.

    Attributes:
        rules_: what the protocol relies on; mutations take something away.
        capacity: of a channel's stream.
        mailbox_capacity: of a mailbox.
        plans: what messages may be about.
    """

    rules_: ClassVar[Rules] = REAL
    capacity: ClassVar[int] = 1000
    mailbox_capacity: ClassVar[int] = 1000
    plans: ClassVar[tuple[str, ...]] = application.PLANS

    def __init__(self) -> None:
        super().__init__()
        self.world: World = steps.new(self.rules_, self.capacity, self.mailbox_capacity)
        self.connections = 0

    # ---- who can do a step ----

    def pick(self, found: Sequence[str], number: int) -> str:
        return found[number % len(found)]

    @property
    def running_interfaces(self) -> list[str]:
        return [one.id for one in self.world.interfaces.values() if one.runs]

    @property
    def running_workers(self) -> list[str]:
        return [one.id for one in self.world.workers.values() if one.runs]

    @property
    def talking(self) -> list[str]:
        """Processes with calls that Redis has not taken."""
        return [one.id for one in self.world.processes if one.calls]

    @property
    def answered(self) -> list[str]:
        """Processes that can hear an answer."""
        return [one.id for one in self.world.processes if one.runs and one.answers]

    @property
    def with_mail(self) -> list[str]:
        boxes = self.world.store.mailboxes
        return [
            one
            for one in self.running_interfaces
            if one in boxes and boxes[one].last > self.world.interfaces[one].read_id
        ]

    def sockets(self, *states: str) -> list[str]:
        return [
            name
            for identity in self.running_interfaces
            for name, found in self.world.interfaces[identity].connections.items()
            if found.state in states and not found.left
        ]

    def of(self, connection: str) -> interfaces.Interface:
        return next(one for one in self.world.interfaces.values() if connection in one.connections)

    def set(self, value: interfaces.Interface | workers.Worker) -> None:
        if isinstance(value, workers.Worker):
            self.world = steps.with_worker(self.world, value)
        else:
            self.world = steps.with_interface(self.world, value)

    # ---- everyday life ----

    @rule()
    def nothing_happens(self) -> None:
        """All may be dead, and hypothesis wants something that can go on."""

    @initialize(connections=st.integers(0, 3), workers=st.integers(1, 2))
    def begin(self, connections: int, workers: int) -> None:
        """Two interface servers, a worker or two, and connections that are open already."""
        world = steps.start_interface(steps.start_interface(self.world))
        for _ in range(workers):
            world = steps.start_worker(world)
        for self.connections in range(1, connections + 1):
            me = world.interfaces[f"i{self.connections % 2}"]
            world = steps.with_interface(world, interfaces.connect(me, f"c{self.connections}"))
        self.world = settling.settle(world)

    @precondition(lambda self: self.connections < MOST_CONNECTIONS and self.running_interfaces)
    @rule(which=picks)
    def connect(self, which: int) -> None:
        me = self.world.interfaces[self.pick(self.running_interfaces, which)]
        self.connections += 1
        self.set(interfaces.connect(me, f"c{self.connections}"))

    @precondition(lambda self: self.sockets("open"))
    @rule(which=picks, plan=picks)
    def frame(self, which: int, plan: int) -> None:
        connection = self.pick(self.sockets("open"), which)
        self.set(interfaces.frames(self.of(connection), {connection: self.pick(self.plans, plan)}))

    @precondition(lambda self: self.sockets("open"))
    @rule(which=picks, plan=picks)
    def frames_of_all(self, which: int, plan: int) -> None:
        """All clients of an interface server send something in the same tick of its event loop."""
        me = self.of(self.pick(self.sockets("open"), which))
        chosen = self.pick(self.plans, plan)
        plans = {name: chosen for name, found in me.connections.items() if found.state == "open"}
        self.set(interfaces.frames(me, plans))

    @precondition(lambda self: self.sockets("open", "connecting"))
    @rule(which=picks)
    def client_leaves(self, which: int) -> None:
        connection = self.pick(self.sockets("open", "connecting"), which)
        self.set(interfaces.close(self.of(connection), connection))

    @precondition(lambda self: self.running_interfaces)
    @rule(which=picks)
    def interface_goes_on(self, which: int) -> None:
        """An interface server does all it can do at once."""
        self.world = settling.interface_goes_on(self.world, self.pick(self.running_interfaces, which))

    @precondition(lambda self: self.running_workers)
    @rule(which=picks)
    def worker_goes_on(self, which: int) -> None:
        """A worker does all it can do at once."""
        self.world = settling.worker_goes_on(self.world, self.pick(self.running_workers, which))

    @precondition(lambda self: self.talking)
    @rule(which=picks)
    def redis_takes_a_call(self, which: int) -> None:
        process = self.pick(self.talking, which)
        execute = steps.execute_worker if process in self.world.workers else steps.execute_interface
        self.world = execute(self.world, process)

    @precondition(lambda self: self.answered)
    @rule(which=picks)
    def answer_is_heard(self, which: int) -> None:
        process = self.pick(self.answered, which)
        if process in self.world.workers:
            self.set(workers.hear(self.world.workers[process]))
        else:
            self.set(interfaces.hear(self.world.interfaces[process]))

    @precondition(lambda self: self.with_mail)
    @rule(which=picks)
    def mail_is_read(self, which: int) -> None:
        self.world = steps.mail(self.world, self.pick(self.with_mail, which))

    @precondition(lambda self: self.running_interfaces)
    @rule(which=picks)
    def renew(self, which: int) -> None:
        self.set(interfaces.renew(self.world.interfaces[self.pick(self.running_interfaces, which)]))

    @precondition(lambda self: self.running_workers)
    @rule(which=picks)
    def worker_reads(self, which: int) -> None:
        self.world = steps.read(self.world, self.pick(self.running_workers, which), CHANNELS)

    @property
    def beginnable(self) -> list[str]:
        return [one for one in self.running_workers if self.world.workers[one].to_begin()]

    @property
    def finishable(self) -> list[str]:
        return [one for one in self.running_workers if self.world.workers[one].to_finish()]

    @precondition(lambda self: self.beginnable)
    @rule(which=picks, what=picks)
    def handler_begins(self, which: int, what: int) -> None:
        worker = self.world.workers[self.pick(self.beginnable, which)]
        keys = worker.to_begin()
        self.world = steps.begin(self.world, worker.id, keys[what % len(keys)])

    @precondition(lambda self: self.finishable)
    @rule(which=picks, what=picks, together=st.booleans())
    def handlers_end(self, which: int, what: int, together: bool) -> None:
        worker = self.world.workers[self.pick(self.finishable, which)]
        keys = worker.to_finish()
        self.set(workers.finish(worker, keys if together else [keys[what % len(keys)]]))

    @rule(which=picks)
    @precondition(lambda self: any(one.retry for one in self.world.interfaces.values() if one.runs))
    def refused_events_go_out_again(self, which: int) -> None:
        found = [one for one in self.running_interfaces if self.world.interfaces[one].retry]
        self.set(interfaces.again(self.world.interfaces[self.pick(found, which)]))

    # ---- what must hold ----

    @invariant()
    def nothing_is_twice_or_out_of_order(self) -> None:
        self.hold()

    def hold(self) -> None:
        invariants.holding(self.world)

    def teardown(self) -> None:
        if self.world.interfaces:
            self.settled(settling.settle(self.world))

    def settled(self, world: World) -> None:
        invariants.settled(world)


def narrowed(machine: type[RuleBasedStateMachine], *rules: str) -> type[RuleBasedStateMachine]:
    """The machine with these rules only: what takes a certain few is found soon."""
    everything = {
        name: getattr(machine, name)
        for name in dir(machine)
        if hasattr(getattr(machine, name), "hypothesis_stateful_rule")
    }
    assert everything.keys() >= set(rules), (
        f"{set(rules) - everything.keys()} are no rules of {machine.__name__}"
    )
    # Still methods, for other rules may call them.
    others = {name: _plain(found) for name, found in everything.items() if name not in rules}
    return type(f"Narrowed{machine.__name__}", (machine,), others)


def _plain(method: Callable[..., None]) -> Callable[..., None]:
    def plain(self: RuleBasedStateMachine, *args: object, **kwargs: object) -> None:
        method(self, *args, **kwargs)

    return plain


class AnswersAreLost(Machine):
    """Connections break: what Redis has not taken is not done, and what it has answered is not heard."""

    @precondition(lambda self: self.running_interfaces)
    @rule(which=picks)
    def interface_loses_its_connection(self, which: int) -> None:
        self.world = steps.cut(self.world, self.pick(self.running_interfaces, which))

    @precondition(lambda self: self.running_interfaces)
    @rule(which=picks)
    def mail_comes_before_the_answer_to_a_registration(self, which: int) -> None:
        """Calls and mailbox have a connection each, and only that of the calls is new."""
        me = self.pick(self.running_interfaces, which)
        self.world = steps.execute_interface(steps.cut(self.world, me), me)
        for worker in self.running_workers:
            self.world = settling.worker_goes_on(self.world, worker)
        self.world = steps.mail(self.world, me)
        self.set(interfaces.hear(self.world.interfaces[me]))

    @precondition(lambda self: self.running_workers)
    @rule(which=picks)
    def worker_loses_its_connection(self, which: int) -> None:
        self.world = steps.cut(self.world, self.pick(self.running_workers, which))

    @precondition(lambda self: self.running_workers)
    @rule(which=picks)
    def delivery_is_lost(self, which: int) -> None:
        self.world = steps.read(self.world, self.pick(self.running_workers, which), CHANNELS, lost=True)

    @precondition(lambda self: self.running_workers)
    @rule(which=picks)
    def worker_asks_what_it_holds(self, which: int) -> None:
        self.world = steps.find(self.world, self.pick(self.running_workers, which))


class Watched(Machine):
    """Leases run out, also of those that live; the workers' heartbeats count that and bury."""

    @precondition(lambda self: self.world.store.leases)
    @rule(which=picks)
    def lease_runs_out(self, which: int) -> None:
        self.world = steps.lease_over(self.world, self.pick(sorted(self.world.store.leases), which))

    @precondition(lambda self: self.running_workers)
    @rule(which=picks, beats=st.integers(1, settling.HEARTBEATS), gap=st.booleans(), search=st.booleans())
    def worker_watches(self, which: int, beats: int, gap: bool, search: bool) -> None:
        worker = self.pick(self.running_workers, which)
        for beat in range(beats):
            self.world = steps.tick(self.world, worker, gap=gap and not beat, search=search)

    def declare_dead(self, process: str) -> None:
        """What `lease_runs_out` and `worker_watches` do together, were they to follow each other."""
        self.world = steps.lease_over(self.world, process)
        others = [one for one in self.running_workers if one != process]
        for _ in range(settling.HEARTBEATS if others else 0):
            self.world = steps.tick(self.world, others[0])


class WorkersDie(Watched):
    """Workers die, are stopped and wake up; others take over."""

    @precondition(lambda self: len(self.world.workers) < MOST_WORKERS)
    @rule()
    def worker_starts(self) -> None:
        self.world = steps.start_worker(self.world)

    @precondition(lambda self: self.running_workers)
    @rule(which=picks, noticed=st.booleans())
    def worker_is_killed(self, which: int, noticed: bool) -> None:
        worker = self.world.workers[self.pick(self.running_workers, which)]
        self.set(replace(worker, alive=False))
        if noticed:
            self.declare_dead(worker.id)

    @precondition(lambda self: self.running_workers)
    @rule(which=picks, noticed=st.booleans())
    def worker_is_stopped(self, which: int, noticed: bool) -> None:
        worker = self.world.workers[self.pick(self.running_workers, which)]
        self.set(replace(worker, stopped=True))
        if noticed:
            self.declare_dead(worker.id)

    @precondition(lambda self: len(self.running_workers) > 1)
    @rule(which=picks, who=picks)
    def worker_is_taken_for_dead(self, which: int, who: int) -> None:
        """It runs, but its heartbeat does not; another takes over what it holds."""
        worker = self.pick(self.running_workers, which)
        self.declare_dead(worker)
        others = [one for one in self.running_workers if one != worker]
        self.world = steps.claim(self.world, self.pick(others, who))

    @precondition(lambda self: any(one.stopped for one in self.world.workers.values()))
    @rule(which=picks)
    def worker_wakes(self, which: int) -> None:
        found = [one.id for one in self.world.workers.values() if one.stopped]
        worker = self.world.workers[self.pick(found, which)]
        self.set(replace(worker, stopped=False))

    @property
    def idle_workers(self) -> list[str]:
        return [one for one in self.running_workers if not self.world.workers[one].held]

    @precondition(lambda self: self.idle_workers)
    @rule(which=picks)
    def worker_leaves(self, which: int) -> None:
        self.world = steps.leave(self.world, self.pick(self.idle_workers, which))

    @precondition(lambda self: self.running_workers)
    @rule(which=picks, lost=st.booleans())
    def worker_takes_over(self, which: int, lost: bool) -> None:
        self.world = steps.claim(self.world, self.pick(self.running_workers, which), lost=lost)

    @precondition(lambda self: self.beginnable)
    @rule(which=picks, what=picks)
    def worker_gives_back(self, which: int, what: int) -> None:
        worker = self.world.workers[self.pick(self.beginnable, which)]
        keys = worker.to_begin()
        self.world = steps.give_back(self.world, worker.id, keys[what % len(keys)])


class InterfacesDie(Watched):
    """Interface servers die, are stopped and wake up, retire; workers bury them."""

    @precondition(lambda self: len(self.world.interfaces) < MOST_INTERFACES)
    @rule()
    def interface_starts(self) -> None:
        self.world = steps.start_interface(self.world)

    @precondition(lambda self: self.running_interfaces)
    @rule(which=picks, noticed=st.booleans())
    def interface_is_killed(self, which: int, noticed: bool) -> None:
        interface = self.world.interfaces[self.pick(self.running_interfaces, which)]
        self.set(replace(interface, alive=False))
        if noticed:
            self.declare_dead(interface.id)

    @precondition(lambda self: self.running_interfaces)
    @rule(which=picks, noticed=st.booleans())
    def interface_is_stopped(self, which: int, noticed: bool) -> None:
        interface = self.world.interfaces[self.pick(self.running_interfaces, which)]
        self.set(replace(interface, stopped=True))
        if noticed:
            self.declare_dead(interface.id)

    @precondition(lambda self: self.running_interfaces)
    @rule(which=picks)
    def interface_is_taken_for_dead(self, which: int) -> None:
        """It runs, but cannot reach Redis for a while."""
        self.declare_dead(self.pick(self.running_interfaces, which))

    @precondition(lambda self: any(one.stopped for one in self.world.interfaces.values()))
    @rule(which=picks)
    def interface_wakes(self, which: int) -> None:
        found = [one.id for one in self.world.interfaces.values() if one.stopped]
        interface = self.world.interfaces[self.pick(found, which)]
        self.set(replace(interface, stopped=False))

    @precondition(lambda self: self.running_interfaces)
    @rule(which=picks)
    def interface_retires(self, which: int) -> None:
        self.world = steps.retire(self.world, self.pick(self.running_interfaces, which))

    @precondition(lambda self: self.running_workers and self.world.store.reaping)
    @rule(budget=st.integers(1, 3))
    def worker_buries(self, budget: int) -> None:
        self.world = steps.reap(self.world, budget)


class Deadly(AnswersAreLost, WorkersDie, InterfacesDie):
    """All of this."""


class RedisFalls(Machine):
    """Redis loses its last writes, or everything."""

    @rule()
    def redis_saves(self) -> None:
        self.world = steps.save(self.world)

    @precondition(lambda self: self.world.falls < MOST_FALLS)
    @rule()
    def redis_falls_back(self) -> None:
        self.fall_back()

    def fall_back(self) -> None:
        """Whoever was connected has to connect again."""
        world = steps.fall_back(self.world)
        for process in (*world.interfaces, *world.workers):
            world = steps.cut(world, process)
        self.world = world

    @precondition(lambda self: self.world.falls < MOST_FALLS)
    @rule(rounds=st.integers(1, 2))
    def redis_loses_what_all_have_done_since(self, rounds: int) -> None:
        """It was safe, everybody went on, and it falls back."""
        self.world = steps.save(self.world)
        for _ in range(rounds):
            for worker in self.running_workers:
                self.world = settling.worker_goes_on(self.world, worker)
            for interface in self.running_interfaces:
                self.world = settling.interface_goes_on(self.world, interface)
        self.fall_back()

    @precondition(lambda self: self.world.falls < MOST_FALLS)
    @rule()
    def redis_loses_everything(self) -> None:
        """By FLUSHALL: the connections stay."""
        self.world = steps.lose_all(self.world)

    def hold(self) -> None:
        if self.world.falls:
            invariants.holding_after_a_loss(self.world)
        else:
            invariants.holding(self.world)

    def settled(self, world: World) -> None:
        if world.falls:
            invariants.settled_after_a_loss(world)
        else:
            invariants.settled(world)


class Doomed(RedisFalls, AnswersAreLost, WorkersDie):
    """Redis loses data while connections break and workers die."""
