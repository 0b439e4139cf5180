"""The in-memory layer does what the model says, as far as one process can break it.

Nothing of it is away, lost or fenced, so here a worker that dies is closed, an interface server that dies retires, and
both are noticed at once: what takes Redis' scripts several steps (heartbeats, burial, claims) is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.protocol.layer_harness import lease_info
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.memory.mailbox import Mailbox
from trunkline.protocol.messages import Delivery as RealDelivery
from trunkline.protocol.messages import Outcome as RealOutcome
from trunkline.protocol.names import ChannelName, GroupName, InterfaceId, WorkerId

from . import interface_scripts, reaper_scripts, worker_scripts
from .budget import LIMIT_S, case, explore
from .store import REAL, Store
from .test_conformance_redis import CAPACITY, INTERFACES, WORKERS, groups, interfaces, some_effects, workers
from .test_conformance_redis import socket_events as any_event
from .translation import effect_of, event_of, operations_of, publication_of, value_of
from .words import CHANNELS, Effect, Event, Operation

pytestmark = pytest.mark.timeout(LIMIT_S)

ALL = 1000


class Bus(RuleBasedStateMachine):
    """Does the same to the model and to a bus. Ids of the bus are learned as the model's appear."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(REAL, CAPACITY)
        self.bus = MemoryBus(CAPACITY)
        self.soon: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.mail: dict[str, list[tuple[tuple[Operation, ...], str]]] = {}
        self.ids: dict[tuple[str, int], str] = {}
        self.gone: set[str] = set()
        self.delivered: list[tuple[str, int]] = []

    @initialize()
    def begin(self) -> None:
        for interface in INTERFACES:
            self.store, _ = interface_scripts.register(self.store, interface, 0, 1)
            box = Mailbox(self.receiver(interface), self.call_soon, self.bus.drops)
            self.bus.registry.open(lease_info(interface, "interface"), box)
        for worker in (*WORKERS, "watcher"):
            self.open_worker(worker)

    def call_soon(self, call: Callable[..., None], *args: Any) -> None:
        self.soon.append((call, args))

    def receiver(self, interface: str) -> Callable[[list[list[Any]], str], None]:
        found: list[tuple[tuple[Operation, ...], str]] = []
        self.mail[interface] = found
        return lambda operations, token: found.append((operations_of(operations), token))

    def open_worker(self, worker: str) -> None:
        self.store = reaper_scripts.tick(self.store, worker, 1, watches=False, gap=False, search=False)
        self.bus.open_worker(lease_info(worker, "worker"), [ChannelName(name) for name in CHANNELS])

    def bury(self) -> None:
        """What the watchers do in their own time the bus does at once."""
        for _ in range(reaper_scripts.INTERFACE_PATIENCE + 1):
            self.store = reaper_scripts.tick(self.store, "watcher", 1, watches=True, gap=False, search=False)
        while self.store.reaping:
            before = self.store
            self.store, _ = reaper_scripts.reap(self.store, ALL)
            if self.store == before:
                return

    # ---- the same to both ----

    @rule(events=st.lists(st.tuples(any_event, st.booleans()), min_size=1, max_size=3))
    def publish(self, events: list[tuple[Event, bool]]) -> None:
        interface = events[0][0].interface
        if interface in self.gone:
            return
        mine = [(event._replace(interface=interface), must) for event, must in events]
        number = self.store.published[interface] + 1
        self.store, answer = interface_scripts.publish(
            self.store, interface, self.store.epoch, number, 0, mine
        )
        refused = self.bus.publish(InterfaceId(interface), [publication_of(*one) for one in mine])
        indices = answer[1] if answer[0] == "refused" else ()
        assert isinstance(indices, tuple)
        assert [one.owner for one in refused] == [mine[index - 1][0] for index in indices]

    @rule(worker=workers)
    def read(self, worker: str) -> None:
        """Everything there is: new, handed back, and of workers that are gone."""
        expected = self.claim_all(worker)
        self.store, new = worker_scripts.read(self.store, worker, CHANNELS, ALL)
        expected += new
        taken = self.bus.take(WorkerId(worker), [ChannelName(name) for name in CHANNELS], ALL)
        # In no order: of one connection there is never more than one under way.
        assert {(one.channel, one.id, event_of(one.channel, one.body), one.attempt) for one in taken} == {
            (one.channel, self.ids[one.channel, one.id], one.event, one.attempt) for one in expected
        }
        assert len(taken) == len(expected)
        self.delivered += [(one.channel, one.id) for one in expected]

    def claim_all(self, worker: str) -> list[worker_scripts.Delivery]:
        taken: list[worker_scripts.Delivery] = []
        while True:
            self.store, found = worker_scripts.claim(self.store, worker, ALL, CHANNELS)
            if not found:
                return taken
            taken += found

    def real(self, key: tuple[str, int]) -> RealDelivery:
        return RealDelivery(ChannelName(key[0]), self.ids[key], b"", 1, 0.0)

    def keys(self, picks: list[int]) -> list[tuple[str, int]]:
        recent = self.delivered[-6:]
        return [recent[pick % len(recent)] for pick in picks]

    @precondition(lambda self: self.delivered)
    @rule(worker=workers, pick=st.integers(0, 5), done=some_effects)
    def commit(self, worker: str, pick: int, done: tuple[Effect, ...]) -> None:
        (key,) = self.keys([pick])
        self.store, (expected, _) = worker_scripts.commit(self.store, [worker_scripts.Outcome(*key, done)])
        outcome = RealOutcome(self.real(key), [effect_of(effect) for effect in done])
        assert self.bus.commit(WorkerId(worker), [outcome]) == expected
        self.bury()

    @precondition(lambda self: self.delivered)
    @rule(worker=workers, pick=st.integers(0, 5), done=some_effects)
    def apply(self, worker: str, pick: int, done: tuple[Effect, ...]) -> None:
        (key,) = self.keys([pick])
        number = self.store.applied.get(worker, 0) + 1
        self.store, _ = worker_scripts.apply(self.store, worker, number, key, done)
        self.bus.apply(WorkerId(worker), [effect_of(effect) for effect in done], self.real(key))

    @precondition(lambda self: self.delivered)
    @rule(worker=workers, pick=st.integers(0, 5))
    def give_back(self, worker: str, pick: int) -> None:
        (key,) = self.keys([pick])
        self.store, _ = worker_scripts.give_back(self.store, worker, key[0], [key[1]], 0)
        self.bus.hand_on(WorkerId(worker), [self.real(key)])

    @rule(worker=workers)
    def worker_ends_and_begins_again(self, worker: str) -> None:
        self.store, _ = worker_scripts.leave(self.store, worker)
        self.bus.close_worker(WorkerId(worker))
        # Another takes over what it held, before it is here again under its old id (which no real one ever is).
        for one in self.claim_all("watcher"):
            self.store, _ = worker_scripts.give_back(self.store, "watcher", one.channel, [one.id], 0)
        self.open_worker(worker)

    @rule(interface=interfaces, group=groups, stale=st.booleans())
    def leave_group(self, interface: str, group: str, stale: bool) -> None:
        token = self.store.groups.get(group, {}).get(interface, 0)
        if interface in self.gone or not token:
            return
        real = "0-0" if stale else self.ids[f"mailbox:{interface}", token]
        self.store, (expected,) = interface_scripts.leave_group(
            self.store, interface, 0 if stale else token, group
        )
        assert self.bus.groups.leave(GroupName(group), InterfaceId(interface), real) == bool(expected)

    @rule(interface=interfaces)
    def retire(self, interface: str) -> None:
        if interface not in self.gone:
            self.gone.add(interface)
            self.store, _ = interface_scripts.retire(self.store, interface)
            self.bus.retire(InterfaceId(interface))
            self.bury()

    # ---- what both hold ----

    @invariant()
    def both_hold_the_same(self) -> None:
        while self.soon:
            call, args = self.soon.pop(0)
            call(*args)
        for channel, stream in self.store.streams.items():
            items = self.bus.stream(ChannelName(channel))._items
            assert [event_of(channel, item.body) for item in items.values()] == list(stream.entries.values())
            for number, one in zip(stream.entries, items, strict=True):
                assert self.ids.setdefault((channel, number), one) == one
        for interface, box in self.store.mailboxes.items():
            assert [operations for operations, _ in self.mail[interface]] == list(box.entries.values())
            for number, (_, token) in zip(box.entries, self.mail[interface], strict=True):
                self.ids[f"mailbox:{interface}", number] = token
        self.compare_connections()

    def compare_connections(self) -> None:
        for interface in INTERFACES:
            found = self.bus.registry.get(InterfaceId(interface))
            connections = found.connections if found is not None else {}
            assert set(connections) == set(self.store.registry.get(interface, {}))
        sessions = self.bus.sessions._values
        assert {name: value_of(value) for name, value in sessions.items()} == {
            name: value for name, (value, _) in self.store.sessions.items()
        }
        for group in ("lobby", "room"):
            tokens = {
                interface: self.ids[f"mailbox:{interface}", token]
                for interface, token in self.store.groups.get(group, {}).items()
                if interface not in self.gone
            }
            assert self.bus.groups._tokens.get(GroupName(group), {}) == tokens
        assert len(self.bus.dead_letters) == len(self.store.letters)


TestBus = case(Bus, explore(30, 30))
