"""The real scripts do what the model says they do, whoever calls them with whatever.

The calls are not those of a cluster in its right mind: any process says anything at any time. So whatever the machines
of `test_safety` let their processes do, the scripts have been seen to answer it as the model does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import ClassVar

import pytest
import redis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.redis_server import RedisServer
from trunkline.protocol.redis_layer.scripts import SCRIPTS, Script

from . import interface_scripts, reaper_scripts, worker_scripts
from .budget import LIMIT_S, explore
from .comparison import adopt_orders, compare
from .real_redis import PLENTY, RealRedis
from .store import REAL, Mailbox, Store, put
from .words import (
    CHANNELS,
    JOBS,
    RECEIVE,
    SOCKET_CHANNELS,
    Add,
    Broadcast,
    Effect,
    Event,
    GroupSay,
    Join,
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
from .worker_scripts import Outcome

pytestmark = pytest.mark.timeout(LIMIT_S)

INTERFACES = ("i0", "i1")
WORKERS = ("w0", "w1", "w2")
CAPACITY = 4
MAILBOX_CAPACITY = 6

interfaces = st.sampled_from(INTERFACES)
workers = st.sampled_from(WORKERS)
groups = st.sampled_from(("lobby", "room"))
connections = st.sampled_from(("c0", "c1", "c2"))
texts = st.sampled_from(("a", "b"))
seqs = st.integers(0, 2)

whose = (interfaces, connections, seqs, texts)
more_texts = st.lists(texts, max_size=2).map(tuple)
socket_events = st.one_of(
    st.builds(Event, st.sampled_from(SOCKET_CHANNELS), *whose, st.just(())),
    st.builds(Event, st.just(RECEIVE), *whose, more_texts),
)
operations = st.one_of(
    st.builds(Release, connections, seqs, st.none(), st.tuples(texts)),
    st.builds(Release, connections, st.just(0), st.booleans()),
    st.builds(Say, connections, seqs, texts),
    st.builds(GroupSay, groups, texts),
    st.builds(Join, groups, connections),
    st.builds(Part, groups, connections),
)
effects: st.SearchStrategy[Effect] = st.one_of(
    st.builds(Post, interfaces, operations),
    st.builds(Add, groups, interfaces, connections),
    st.builds(Broadcast, groups, texts),
    st.builds(Write, interfaces, connections, st.lists(seqs, min_size=1, max_size=3).map(tuple)),
    st.builds(Send, st.builds(lambda name: Event(JOBS, "", name, 0), connections)),
    st.builds(Register, interfaces, connections),
    st.builds(Unregister, interfaces, connections),
    st.builds(Letter, texts, socket_events),
)
some_effects = st.lists(effects, max_size=4).map(tuple)


class Scripts(RuleBasedStateMachine):
    """Calls a script of the model and the real one, and compares answers and stores."""

    server: ClassVar[RedisServer]
    client: ClassVar[redis.Redis]

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(REAL, CAPACITY, MAILBOX_CAPACITY)
        self.real = RealRedis(self.client, self.server.fresh_prefix(), CAPACITY, MAILBOX_CAPACITY)
        self.delivered: list[tuple[str, int]] = []

    def teardown(self) -> None:
        self.real.wipe()

    @invariant()
    def both_hold_the_same(self) -> None:
        compare(self.store, self.real)

    def fresh(self) -> int:
        return self.store.clock + 1

    def epoch(self, behind: int) -> int:
        """An epoch that an interface server may know; it has none before Redis has one."""
        return self.store.epoch - behind or self.fresh()

    # ---- interface servers ----

    @initialize()
    def begin(self) -> None:
        for interface in INTERFACES:
            self.register(interface, 0, False)
        for worker in WORKERS:
            self.tick(worker, False, False, False)

    @rule(
        interface=interfaces,
        behind=st.sampled_from((0, 0, 0, 1)),
        slept=st.sampled_from((False, False, True)),
    )
    def register(self, interface: str, behind: int, slept: bool) -> None:
        known = max(0, self.store.epoch - behind)
        fresh = self.fresh()
        self.store, expected = interface_scripts.register(self.store, interface, known, fresh, slept)
        answer = self.real.register(interface, known, fresh, slept)
        compare(self.store, self.real)
        if answer[0] == "ok":
            answer = (*answer[:3], self.real.number_of(f"mailbox:{interface}", str(answer[3])))
        assert answer == expected

    @rule(interface=interfaces, behind=st.sampled_from((0, 0, 0, 1)), read=st.integers(0, 3))
    def renew(self, interface: str, behind: int, read: int) -> None:
        box = self.store.mailboxes.get(interface)
        known = [0, *(box.entries if box is not None else ())]
        call = (interface, self.epoch(behind), known[read % len(known)])
        self.store, expected = interface_scripts.renew(self.store, *call)
        assert self.real.renew(*call) == expected

    @rule(
        interface=interfaces,
        ahead=st.sampled_from((1, 1, 1, 1, 0, -1, 2)),
        read=st.integers(0, 3),
        behind=st.sampled_from((0, 0, 0, 0, 0, 1)),
        events=st.lists(st.tuples(socket_events, st.booleans()), min_size=1, max_size=4),
    )
    def publish(
        self, interface: str, ahead: int, read: int, behind: int, events: list[tuple[Event, bool]]
    ) -> None:
        number = self.store.published.get(interface, 0) + ahead
        call = (interface, self.epoch(behind), number, max(0, number - 1 - read), events)
        self.store, expected = interface_scripts.publish(self.store, *call)
        assert self.real.publish(*call) == expected

    @rule(
        interface=interfaces,
        go_on=st.none() | st.integers(0, 9),
        held=st.sets(connections),
        tokens=st.dictionaries(groups, st.integers(0, 5)),
    )
    def restore(self, interface: str, go_on: int | None, held: set[str], tokens: dict[str, int]) -> None:
        box = self.store.mailboxes.get(interface)
        known = [*(box.entries if box is not None else ())]
        real_tokens = {group: known[at % len(known)] for group, at in tokens.items() if known}
        call = (interface, go_on, sorted(held), real_tokens)
        self.store, expected = interface_scripts.restore(self.store, *call)
        assert self.real.restore(*call) == expected

    @rule(interface=interfaces, group=groups, stale=st.booleans())
    def leave_group(self, interface: str, group: str, stale: bool) -> None:
        token = self.store.groups.get(group, {}).get(interface, 0)
        if stale:
            token = next(
                (one for one in self.store.mailboxes.get(interface, _NOTHING).entries if one != token), 0
            )
        self.store, expected = interface_scripts.leave_group(self.store, interface, token, group)
        assert self.real.leave_group(interface, token, group) == expected

    @rule(interface=interfaces)
    def retire(self, interface: str) -> None:
        self.store, expected = interface_scripts.retire(self.store, interface)
        assert self.real.retire(interface) == expected

    # ---- workers ----

    @rule(worker=workers, count=st.integers(1, 3))
    def read(self, worker: str, count: int) -> None:
        self.store, expected = worker_scripts.read(self.store, worker, CHANNELS, count)
        assert self.real.read(worker, CHANNELS, count) == expected
        self.delivered += [(one.channel, one.id) for one in expected]

    def keys(self, picks: list[int]) -> list[tuple[str, int]]:
        """Some of all that was ever delivered, also the same twice."""
        recent = self.delivered[-6:]
        return [recent[pick % len(recent)] for pick in picks]

    @precondition(lambda self: self.delivered)
    @rule(what=st.lists(st.tuples(st.integers(0, 5), some_effects), min_size=1, max_size=4))
    def commit(self, what: list[tuple[int, tuple[Effect, ...]]]) -> None:
        keys = self.keys([pick for pick, _ in what])
        outcomes = [Outcome(*key, done) for key, (_, done) in zip(keys, what, strict=True)]
        self.store, (expected, _) = worker_scripts.commit(self.store, outcomes)
        assert self.real.commit(outcomes) == expected

    @precondition(lambda self: self.delivered)
    @rule(worker=workers, ahead=st.sampled_from((1, 1, 1, 0)), pick=st.integers(0, 5), done=some_effects)
    def apply(self, worker: str, ahead: int, pick: int, done: tuple[Effect, ...]) -> None:
        (within,) = self.keys([pick])
        number = self.store.applied.get(worker, 0) + ahead
        self.store, expected = worker_scripts.apply(self.store, worker, number, within, done)
        assert self.real.apply(worker, number, within, done) == expected

    @rule(worker=workers, room=st.integers(1, 3))
    def claim(self, worker: str, room: int) -> None:
        store = adopt_orders(self.store, self.real)
        self.store, expected = worker_scripts.claim(store, worker, room, CHANNELS)
        assert self.real.claim(worker, room, CHANNELS) == expected

    @precondition(lambda self: self.delivered)
    @rule(worker=workers, pick=st.integers(0, 5), rise=st.integers(0, 1))
    def give_back(self, worker: str, pick: int, rise: int) -> None:
        ((channel, entry),) = self.keys([pick])
        self.store, expected = worker_scripts.give_back(self.store, worker, channel, [entry], rise)
        assert self.real.give_back(worker, channel, [entry], rise) == expected

    @rule(worker=workers)
    def held(self, worker: str) -> None:
        assert self.real.held(worker, CHANNELS) == worker_scripts.held(self.store, worker, CHANNELS)

    @rule(worker=workers)
    def leave(self, worker: str) -> None:
        self.store, expected = worker_scripts.leave(self.store, worker)
        assert self.real.leave(worker) == expected

    # ---- leases and burials ----

    @rule(process=interfaces | workers)
    def lease_over(self, process: str) -> None:
        if process in self.store.leases:
            self.store = replace(self.store, leases=put(self.store.leases, process, False))
        self.real.lease_over(process)

    @rule(worker=workers, watches=st.booleans(), gap=st.booleans(), search=st.booleans())
    def tick(self, worker: str, watches: bool, gap: bool, search: bool) -> None:
        search = search or self.real.must_search()
        fresh = self.fresh()
        self.store = reaper_scripts.tick(self.store, worker, fresh, watches=watches, gap=gap, search=search)
        self.real.tick(worker, fresh, watches=watches, gap=gap, search=search)

    @rule(process=interfaces | workers, worker=workers)
    def bury(self, process: str, worker: str) -> None:
        """A lease runs out, and enough heartbeats see it."""
        if process != worker:
            self.lease_over(process)
            for _ in range(reaper_scripts.INTERFACE_PATIENCE + 1):
                self.tick(worker, True, False, False)

    @precondition(lambda self: self.store.reaping)
    @rule()
    def reap(self) -> None:
        store = adopt_orders(self.store, self.real)
        self.store, expected = reaper_scripts.reap(store, PLENTY)
        assert self.real.reap() == expected

    @rule(sure=st.sampled_from((False, False, False, True)))
    def lose_all(self, sure: bool) -> None:
        if sure:
            self.store = Store(REAL, CAPACITY, MAILBOX_CAPACITY, self.store.clock)
            self.real.wipe()
            self.real.begin()


_NOTHING = Mailbox()


@pytest.fixture
def scripts(redis_server: RedisServer) -> Iterator[type[Scripts]]:
    with closing(redis.Redis.from_url(redis_server.url)) as client:
        yield type("ScriptsOnRedis", (Scripts,), {"server": redis_server, "client": client})


def publish(machine: Scripts, count: int = 1, ahead: int = 1) -> None:
    events = [(Event(RECEIVE, "i0", "c0", number), False) for number in range(count)]
    machine.publish("i0", ahead, 0, 0, events)
    machine.both_hold_the_same()


def twice_committed(machine: Scripts) -> None:
    publish(machine)
    machine.read("w0", 1)
    machine.commit([(0, ())])
    machine.commit([(0, (Write("i0", "c0", (1,)),))])


def committed_out_of_order(machine: Scripts) -> None:
    publish(machine, 2)
    machine.read("w0", 2)
    machine.commit([(1, ())])


def published_twice(machine: Scripts) -> None:
    publish(machine)
    publish(machine, ahead=0)


def refused(machine: Scripts) -> None:
    publish(machine, CAPACITY + 1)


def joined_twice(machine: Scripts) -> None:
    publish(machine, 2)
    machine.read("w0", 2)
    for entry in range(2):
        machine.commit([(entry, (Add("room", "i0", "c0"),))])
        machine.both_hold_the_same()


def left_late(machine: Scripts) -> None:
    joined_twice(machine)
    machine.leave_group("i0", "room", True)


def restored_from_before(machine: Scripts) -> None:
    joined_twice(machine)
    machine.restore("i0", None, set(), {"room": 0})


def sent_early_by_another(machine: Scripts) -> None:
    publish(machine)
    machine.read("w0", 1)
    machine.apply("w1", 1, 0, (Write("i0", "c0", (1,)),))


def taken_over(machine: Scripts) -> None:
    publish(machine)
    machine.read("w0", 1)
    machine.bury("w0", "w1")
    machine.claim("w1", 1)


def buried(machine: Scripts) -> None:
    machine.restore("i0", None, {"c0"}, {})
    machine.bury("i0", "w0")
    machine.reap()


def buried_with_an_entry_under_way(machine: Scripts) -> None:
    publish(machine)
    buried(machine)


def suspected(machine: Scripts) -> None:
    machine.lease_over("w1")
    machine.tick("w0", True, False, False)


def lost_while_asleep(machine: Scripts) -> None:
    machine.lose_all(True)
    machine.register("i0", 0, True)


def overgrown(machine: Scripts) -> None:
    for _ in range(MAILBOX_CAPACITY + 1):
        publish(machine)
        machine.read("w0", 1)
        machine.commit([(-1, (Post("i0", Say("c0", 1, "a")),))])
        machine.both_hold_the_same()


BROKEN: dict[str, tuple[str, str, str, Callable[[Scripts], None]]] = {
    "effects in vain are applied": ("commit", "won[entry] == false", "false", twice_committed),
    "what was committed stands": (
        "commit",
        "redis.pcall('XDEL'",
        "redis.pcall('EXISTS'",
        committed_out_of_order,
    ),
    "a batch that was seen adds": ("publish", "number <= last then", "number < last then", published_twice),
    "a refusal is forgotten": (
        "publish",
        "'HSET', base .. 'published', refusals",
        "'HGET', refusals",
        refused,
    ),
    "any token leaves a group": ("leave_group", "~= ARGV[3]", "== 'x'", left_late),
    "a token falls back": ("restore", "newer(token, standing)", "true", restored_from_before),
    "anybody sends early": ("apply", "held.err or #held == 0", "held.err", sent_early_by_another),
    "a death is not counted": ("claim", "worker, 1, 1)", "worker, 1, 0)", taken_over),
    "a burial does not wait": ("reap", "if result ~= 'none'", "if false", buried_with_an_entry_under_way),
    "a disconnect stays registered": ("reap", "redis.call('HDEL', registry, found[i])", "", buried),
    "who was asleep comes back": ("register", "ARGV[7] == '1' or", "", lost_while_asleep),
    "an overgrown mailbox grows on": ("commit", "> tonumber(ARGV[3]) then", "> 1000 then", overgrown),
    "a suspect is dead at once": ("tick", "> needed then", "> -1 then", suspected),
    "a buried one publishes": ("tick", "'published', id, id", "'published', 'x', id", buried),
}
"""What is broken in which script, and a history that shows it."""


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_script_is_noticed(
    what: str, scripts: type[Scripts], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, old, new, history = BROKEN[what]
    play(scripts, history)

    script = SCRIPTS[name]
    assert script.text.count(old) == 1
    text = script.text.replace(old, new)
    sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    monkeypatch.setitem(SCRIPTS, name, Script(name, text, sha))
    with pytest.raises((AssertionError, redis.exceptions.ResponseError)):
        play(scripts, history)


def play(scripts: type[Scripts], history: Callable[[Scripts], None]) -> None:
    machine = scripts()
    try:
        machine.begin()
        history(machine)
        machine.both_hold_the_same()
    finally:
        machine.teardown()


def test_every_script_answers_and_leaves_behind_what_the_model_says(scripts: type[Scripts]) -> None:
    run_state_machine_as_test(scripts, settings=explore(20, 30, times=10))
