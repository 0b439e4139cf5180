"""The workloads: what is offered, to whom, and what it may cost Trunkline."""

from __future__ import annotations

from typing import Final

from .limits import Limit, Value
from .peer import Job, Shape
from .spec import Kind
from .workload import ALL, Measure, Workload

IDLE_PEERS: Final = ("channels-uvicorn", "socketio-node", "nchan")


def _paced(rate: int, *limits: Limit, quick: bool = True, peers: tuple[str, ...] = ()) -> Workload:
    return Workload(
        f"echo at {rate:,}/s",
        Kind.PACED,
        rate=rate,
        latency=True,
        trace=True,
        limits=limits,
        peers=peers,
        quick=quick,
    )


def _group(members: int, *limits: Limit) -> Workload:
    return Workload(
        "one group",
        Kind.FAN_OUT,
        Job.GROUP,
        Measure.DELIVERY,
        connections=members,
        limits=limits,
        peers=ALL,
        quick=True,
    )


def _idle(connections: int, rounds: int, interfaces: int = 1, quick: bool = False) -> Workload:
    return Workload(
        f"idle, {interfaces} interface server{'s' if interfaces > 1 else ''}",
        Kind.IDLE,
        measure=Measure.MEMORY,
        connections=connections,
        limits=(Limit(15),),
        shape=Shape(interfaces=interfaces, trimmed=True),
        fresh=True,
        floor=interfaces == 1,
        peers=IDLE_PEERS if quick else (),
        rounds=rounds,
        quick=quick,
    )


def _workers(job: Job, workers: int, *limits: Limit, quick: bool = False) -> Workload:
    what = "sleeps (async, 2 at once)" if job is Job.SLEEP else "burns CPU"
    return Workload(
        f"handler {what} 2 ms, {workers} worker{'s' if workers > 1 else ''}",
        Kind.CLOSED,
        job,
        Measure.RATE,
        limits=limits,
        shape=Shape(workers=workers, concurrency=2),
        floor=False,
        rounds=0 if limits else 3,
        quick=quick,
    )


def _overload(factor: int, quick: bool = False) -> Workload:
    return Workload(
        f"echo, offered {factor} times the most",
        Kind.OVERLOAD,
        measure=Measure.SHARE,
        limits=(Limit(0.9, least=True), Limit(64, Value.GROWTH_MIB)),
        factor=factor,
        fresh=True,
        floor=False,
        rounds=3,
        quick=quick,
    )


def _payload(size: int, title: str, connections: int = 200) -> Workload:
    return Workload(f"echo, {title} a message", Kind.CLOSED, size=size, connections=connections)


WORKLOADS: Final = {
    "echo": Workload(
        "echo, saturated",
        Kind.CLOSED,
        limits=(
            Limit(2.4, of="floor"),
            Limit(1 / 90, of="channels-runworker"),
            Limit(1 / 6, of="channels-daphne"),
            Limit(1 / 4, of="channels-uvicorn"),
            Limit(1.4, of="socketio-node"),
            Limit(0.1, Value.REDIS_CALLS),
        ),
        trace=True,
        peers=ALL,
        quick=True,
    ),
    "session": Workload(
        "echo, session read and written",
        Kind.CLOSED,
        Job.SESSION,
        limits=(Limit(2.8, of="floor"),),
        quick=True,
    ),
    "paced-200": _paced(
        200,
        Limit(2.9, of="floor"),
        Limit(0.95, of="channels-uvicorn"),
        Limit(0.4, Value.P50_MS),
        Limit(1.0, Value.P99_MS),
        peers=("channels-uvicorn", "socketio-node"),
    ),
    "paced-2000": _paced(
        2000,
        Limit(3.5, of="floor"),
        Limit(0.6, of="python-socketio"),
        Limit(2.5, Value.P99_MS),
        peers=("python-socketio", "socketio-node"),
    ),
    "paced-5000": _paced(5000, Limit(3.0, of="floor"), Limit(2.5, Value.P99_MS)),
    "paced-half": Workload(
        "echo at half of Trunkline's maximum", Kind.PACED, half=True, latency=True, trace=True
    ),
    "single": Workload(
        "one connection, one message outstanding",
        Kind.CLOSED,
        connections=1,
        latency=True,
        limits=(Limit(0.22, Value.P50_MS), Limit(0.6, Value.P99_MS)),
        quick=True,
    ),
    "group-200": _group(
        200,
        Limit(1.3, of="nchan"),
        Limit(0.6, of="socketio-redis"),
        Limit(1 / 20, of="channels-pubsub"),
    ),
    "group-2000": _group(
        2000,
        Limit(1.0, of="nchan"),
        Limit(0.6, of="socketio-redis"),
        Limit(1 / 20, of="channels-pubsub"),
    ),
    "group-10000": Workload("one group", Kind.FAN_OUT, Job.GROUP, Measure.DELIVERY, connections=10_000),
    "rooms": Workload(
        "rooms of 10", Kind.FAN_OUT, Job.GROUP, Measure.DELIVERY, connections=1000, room_size=10
    ),
    "idle-5000": _idle(5_000, rounds=0, quick=True),
    "idle-15000": _idle(15_000, rounds=2),
    "idle-50000": _idle(50_000, rounds=1, interfaces=4),
    "connect": Workload(
        "connects with a connect handler",
        Kind.CONNECT,
        Job.CONNECT,
        Measure.CONNECT,
        connections=10_000,
        limits=(Limit(330),),
        peers=("channels-uvicorn", "channels-daphne", "socketio-node"),
        quick=True,
    ),
    "storm": Workload(
        "reconnects after an interface server is killed",
        Kind.STORM,
        Job.CONNECT,
        Measure.BACK,
        connections=10_000,
        limits=(Limit(8), Limit(0, Value.FAILED)),
        shape=Shape(interfaces=3),
        fresh=True,
        floor=False,
        rounds=3,
        quick=True,
    ),
    "sleep-1": _workers(Job.SLEEP, 1, quick=True),
    "sleep-2": _workers(Job.SLEEP, 2),
    "sleep-4": _workers(Job.SLEEP, 4, Limit(3.5, of="sleep-1", least=True), quick=True),
    "sleep-8": _workers(Job.SLEEP, 8),
    "burn-1": _workers(Job.BURN, 1),
    "burn-2": _workers(Job.BURN, 2),
    "burn-4": _workers(Job.BURN, 4),
    "burn-8": _workers(Job.BURN, 8),
    "overload-2": _overload(2, quick=True),
    "overload-10": _overload(10),
    "echo-10000": Workload(
        "echo, saturated",
        Kind.CLOSED,
        connections=10_000,
        limits=(Limit(1.8, of="echo"),),
        quick=True,
    ),
    "payload-256": _payload(256, "256 B"),
    "payload-1k": _payload(1024, "1 KiB"),
    "payload-8k": _payload(8192, "8 KiB"),
    "payload-64k": _payload(65_536, "64 KiB", connections=50),
    "slow-0": Workload(
        "group of 180, 1 KiB a message", Kind.FAN_OUT, Job.GROUP, Measure.DELIVERY, 180, size=1024
    ),
    "slow-20": Workload(
        "the same, and 20 further members that read nothing",
        Kind.FAN_OUT,
        Job.GROUP,
        Measure.DELIVERY,
        180,
        size=1024,
        slow=20,
    ),
}
