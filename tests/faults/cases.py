"""The table of cases: every fault at every step of a message's life, and what holds nevertheless."""

from __future__ import annotations

import re
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from tests.faults import process_faults, redis_faults
from tests.faults.cluster import Role
from tests.faults.points import When
from tests.faults.process_faults import ENDS_SOCKETS, PROCESS_FAULTS, ProcessFault
from tests.faults.promises import Form, Promises
from tests.faults.proxy import Point
from tests.faults.scene import Scene
from tests.support.waiting import until

Strike = Callable[[Scene], Awaitable[None]]

WORKER_WITHIN_S = 3.0
ASLEEP_WITHIN_S = 4.0
"""One that sleeps or is cut off may hold what it was given later than one that is dead."""
INTERFACE_WITHIN_S = 6.0
REDIS_WITHIN_S = 3.0
TWO_DEATHS_WITHIN_S = 12.0
"""Of two processes, one behind the other, the second while it cleans up behind the first; and the start of others."""
SLOW_WITHIN_S = 12.0
"""Handlers of up to 2 s, four of them blocking, two workers; a second time if their worker was killed."""

ONCE = Promises()
"""Every effect happens exactly once."""


@dataclass(frozen=True, slots=True)
class Case:
    """A fault at a step.

    Attributes:
        name: fault and step.
        strike: does it, under load.
        promises: what holds.
        within_s: bound of the recovery: the longest wait for a reply behind the fault, and for the disconnects of those
            connections that it ended.
        ends_sockets: the connections of the first interface server end.
        path: which handlers the load has, see `app`.
        may_keep_sockets: with ``ends_sockets``, whether they really end depends on what came first.
        keeps_cluster: the next case may go on with the same processes and Redis.
        from_strike: the recovery counts from the fault, and not from when it was over.
        on_track: all connections are on a track, which two workers of its own serve.
    """

    name: str
    strike: Strike
    promises: Promises = ONCE
    within_s: float = WORKER_WITHIN_S
    ends_sockets: bool = False
    path: str = "talk"
    keeps_cluster: bool = True
    may_keep_sockets: bool = False
    from_strike: bool = False
    on_track: bool = False

    @property
    def id(self) -> str:
        """Of its test: the name as one word, so that ``-k`` takes it."""
        return re.sub(r"\W+", "-", self.name)


# ---- a process, at a step of its own ----

NTH = 5
"""Which of the commands: the load flows by then."""


async def _at(scene: Scene, role: Role, fault: ProcessFault, point: Point, nth: int = NTH) -> None:
    victim = scene.victim(role)
    rare = point.command in ("renew", "tick", "register")
    with victim.proxy.armed(point, 1 if rare else nth) as arming:
        if point.command == "register":
            victim.proxy.cut_all()
        await fault(scene, victim, await arming)


WORKER_STEPS = (
    ("read", Point("XREADGROUP", "after"), "talk"),
    ("session", Point("MGET", "after"), "talk"),
    ("commit", Point("commit", "before"), "talk"),
    ("commit", Point("commit", "after"), "talk"),
    ("early flush", Point("apply", "before"), "early"),
    ("early flush", Point("apply", "after"), "early"),
)
"""A message's life in a worker: it is read, its session, its handler may send early, its outcome is committed."""
INTERFACE_STEPS = (
    ("publish", Point("publish", "before")),
    ("publish", Point("publish", "after")),
    ("mailbox", Point("XREAD", "after")),
    ("renewal", Point("renew", "before")),
    ("registration", Point("register", "after")),
)
"""A frame's and a reply's life in an interface server, and what keeps its lease."""
FLUSHED_AGAIN = Promises(
    early=Form.AT_LEAST, replies=Form.AT_LEAST, groups=Form.AT_LEAST, background=Form.AT_LEAST
)
"""What was sent early is sent again, and with it what earlier frames of the same entry had sent: the order among
replies forbids to hold that back."""


def _workers() -> list[Case]:
    cases = []
    for fault, act in PROCESS_FAULTS.items():
        for step, point, path in WORKER_STEPS:
            # What was flushed is sent again when the message is handled again: by whom its worker is survived.
            again = path == "early" and fault in ("SIGKILL", "SIGSTOP", "partition")
            promises = FLUSHED_AGAIN if again else ONCE
            name = f"worker {fault} {point.when} {step}"
            within_s = WORKER_WITHIN_S if fault == "SIGKILL" else ASLEEP_WITHIN_S
            cases.append(
                Case(name, partial(_at, role="worker", fault=act, point=point), promises, within_s, path=path)
            )
    point = Point("commit", "after")
    act = process_faults.reset_all
    cases.append(
        Case("worker reset of all after commit", partial(_at, role="worker", fault=act, point=point))
    )
    return cases


def _interfaces() -> list[Case]:
    cases = []
    for fault, act in PROCESS_FAULTS.items():
        for step, point in INTERFACE_STEPS:
            cases.append(
                Case(
                    f"interface {fault} {point.when} {step}",
                    partial(_at, role="interface", fault=act, point=point),
                    within_s=INTERFACE_WITHIN_S,
                    ends_sockets=fault in ENDS_SOCKETS,
                )
            )
    point = Point("publish", "after")
    act = process_faults.reset_all
    name = "interface reset of all after publish"
    cases.append(Case(name, partial(_at, role="interface", fault=act, point=point)))
    return cases


# ---- whoever cleans up ----


async def _reaping(scene: Scene, point: Point, role: Role) -> None:
    """One process dies, and a worker at the moment when it takes over what that one held."""
    doomed = scene.cluster.workers[0] if role == "worker" else scene.cluster.interfaces[0]
    helpers = scene.cluster.workers[1:] if role == "worker" else scene.cluster.workers
    armings = [helper.proxy.armed(point) for helper in helpers]
    # Paused first, so that it surely holds something when it dies.
    doomed.process.pause()
    await until(lambda: any(talker.waits for talker in scene.load.talkers), 5, "somebody waits")
    doomed.process.kill()
    scene.struck()
    await until(lambda: any(arming.reached for arming in armings), 30, f"somebody is at {point}")
    at_it = next(place for place, arming in enumerate(armings) if arming.reached)
    held = await armings[at_it]
    helpers[at_it].process.kill()
    held.cut()
    for arming in armings:
        arming.disarm()
    await scene.cluster.start()


async def _at_the_reaper(scene: Scene, point: Point) -> None:
    """The worker dies that watches the others."""
    reaper = await scene.cluster.reaper()
    with reaper.proxy.armed(point) as arming:
        await process_faults.sigkill(scene, reaper, await arming)


MOMENTS: tuple[When, When] = ("before", "after")


def _reapers() -> list[Case]:
    cases = []
    for when in MOMENTS:
        strike = partial(_reaping, point=Point("claim", when), role="worker")
        cases.append(Case(f"reaper SIGKILL {when} claim", strike, within_s=TWO_DEATHS_WITHIN_S))
    for when in MOMENTS:
        strike = partial(_reaping, point=Point("reap", when), role="interface")
        cases.append(
            Case(f"reaper SIGKILL {when} reap", strike, within_s=TWO_DEATHS_WITHIN_S, ends_sockets=True)
        )
    for command in ("tick", "due"):
        strike = partial(_at_the_reaper, point=Point(command, "after"))
        cases.append(Case(f"reaper SIGKILL after {command}", strike))
    return cases


# ---- the deaths that everybody asks for, often enough for a median and a worst of ten ----

LATER = (20, 35, 50, 65, 80)
"""Which of the commands in these: a worker or an interface server that has been up for longer dies the same way."""
REDIS_LATER = (50, 100, 150, 200, 250, 300, 350, 400)
"""How many replies later than in its first case Redis dies."""


async def _after(scene: Scene, replies: int) -> None:
    await scene.load.goes_on(replies)
    await redis_faults.killed(scene)


def _deaths() -> list[Case]:
    cases = []
    for nth in LATER[:-1]:
        strike = partial(
            _at, role="worker", fault=process_faults.sigkill, point=Point("commit", "before"), nth=nth
        )
        cases.append(Case(f"worker SIGKILL before commit {nth}", strike))
    for nth in LATER:
        strike = partial(
            _at, role="interface", fault=process_faults.sigkill, point=Point("publish", "after"), nth=nth
        )
        name = f"interface SIGKILL after publish {nth}"
        cases.append(Case(name, strike, within_s=INTERFACE_WITHIN_S, ends_sockets=True))
    for replies in REDIS_LATER:
        name = f"redis SIGKILL {replies} replies later and restart"
        cases.append(Case(name, partial(_after, replies=replies), within_s=REDIS_WITHIN_S))
    return cases


# ---- tracks ----


async def _whole_track(scene: Scene, point: Point, others: bool = False) -> None:
    """Every worker of the track dies; those of the main track serve its connections, until others start."""
    first, second = scene.cluster.canaries
    with first.proxy.armed(point, NTH) as arming:
        held = await arming
        second.process.kill()
        await process_faults.sigkill(scene, first, held)
    if others:
        await scene.load.goes_on(60)
        await scene.cluster.put_on_a_track()
        await scene.load.goes_on(300)


def _tracks() -> list[Case]:
    make = partial(Case, within_s=ASLEEP_WITHIN_S, on_track=True, keeps_cluster=False)
    before = Point("commit", "before")
    return [
        make("track SIGKILL of all after read", partial(_whole_track, point=Point("XREADGROUP", "after"))),
        make("track SIGKILL of all after commit", partial(_whole_track, point=Point("commit", "after"))),
        make("track SIGKILL of all, and others start", partial(_whole_track, point=before, others=True)),
    ]


# ---- Redis, clocks, slowness ----

FORGOTTEN = Promises(
    events=Form.AT_LEAST, groups=Form.AROUND, early=Form.AROUND, sessions=Form.AROUND, background=Form.AROUND
)
"""Where Redis itself lost what it had acknowledged. Frames and replies are held by the interface servers."""


def _redis() -> list[Case]:
    make = partial(Case, within_s=REDIS_WITHIN_S)
    return [
        make("redis SIGKILL and restart", redis_faults.killed),
        make("redis SIGKILL and restart 3 s later", redis_faults.killed_and_away),
        make("redis SIGSTOP for 3 s", redis_faults.stopped),
        make("redis FLUSHALL thrice", redis_faults.forgot_everything, FORGOTTEN),
        make(
            "redis SIGKILL with everysec and restart",
            redis_faults.killed_as_it_is,
            FORGOTTEN,
            keeps_cluster=False,
        ),
        make("redis loses the end of its file", redis_faults.lost_power, FORGOTTEN, keeps_cluster=False),
        make(
            "redis replaced by a lagging replica",
            redis_faults.replaced_by_a_lagging_replica,
            FORGOTTEN,
            keeps_cluster=False,
        ),
        make("redis reaches maxmemory", redis_faults.out_of_memory),
        make("redis has a full disk", redis_faults.disk_full),
        make("redis XGROUP DESTROY", redis_faults.without_group),
        make("redis DEL of a stream", redis_faults.without_stream),
        make("redis SCRIPT FLUSH", redis_faults.without_scripts),
    ]


async def _clock(scene: Scene, role: Role) -> None:
    victim = scene.victim(role)
    scene.struck()
    victim.process.send(signal.SIGUSR1)
    await scene.load.goes_on(600)
    victim.process.send(signal.SIGUSR2)
    await scene.load.goes_on(600)


async def _nothing(scene: Scene) -> None:
    scene.struck()


def _others() -> list[Case]:
    kill = partial(_at, role="worker", fault=process_faults.sigkill, point=Point("commit", "before"))
    return [
        Case("worker clock jumps an hour and back", partial(_clock, role="worker")),
        Case("interface clock jumps an hour and back", partial(_clock, role="interface")),
        Case("async handlers of a lease's length", _nothing, within_s=SLOW_WITHIN_S, path="slow"),
        Case("blocking handlers of a lease's length", _nothing, within_s=SLOW_WITHIN_S, path="stuck"),
        Case("async handlers of a lease's length, worker SIGKILL", kill, within_s=SLOW_WITHIN_S, path="slow"),
        Case("blocking handlers of a lease's length, worker SIGKILL", kill, within_s=SLOW_WITHIN_S, path="stuck"),
    ]  # fmt: skip


CASES: tuple[Case, ...] = (
    *_workers(),
    *_interfaces(),
    *_deaths(),
    *_reapers(),
    *_tracks(),
    *_redis(),
    *_others(),
)
"""All of them."""
