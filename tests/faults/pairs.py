"""Two faults at random moments, chosen by a seed: the same seed makes the same choice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from tests.faults import redis_faults
from tests.faults.cases import FORGOTTEN, INTERFACE_STEPS, WORKER_STEPS, Case
from tests.faults.process_faults import ENDS_SOCKETS, PROCESS_FAULTS
from tests.faults.promises import Form, Promises
from tests.faults.proxy import Point
from tests.faults.scene import Scene

MOST_APART_S = 2.0
PATIENCE_S = 5.0
"""Longer than any lease and its grace; where both faults hit who would declare it, nobody is declared dead."""
WITHIN_S = 15.0
"""Of both together: each has its own bound, and one may begin at the end of the other."""
SUPERVISED_S = 0.1
_REDIS = {
    "SIGKILL and restart": redis_faults.killed,
    "SIGSTOP": redis_faults.stopped,
    "FLUSHALL": redis_faults.forgot_once,
}
_TARGETS = ("worker 1", "worker 2", "interface", "redis")


@dataclass(frozen=True, slots=True)
class _Half:
    name: str
    strike: Callable[[Scene], Awaitable[None]]
    ends_sockets: bool = False
    forgets: bool = False


def pair(seed: int) -> Case:
    """The case of a seed."""
    chance = random.Random(seed)
    halves = [_half(chance, target) for target in chance.sample(_TARGETS, 2)]
    apart_s = chance.uniform(0.0, MOST_APART_S)
    ends_sockets = any(half.ends_sockets for half in halves)
    promises = Promises()
    if any(half.forgets for half in halves):
        # Of an interface server that dies just then nobody knows which connections it had.
        promises = replace(FORGOTTEN, disconnects=Form.AROUND) if ends_sockets else FORGOTTEN
    name = f"{halves[0].name} and {apart_s:.1f} s later {halves[1].name} (seed {seed})"
    strike = partial(_both, first=halves[0], second=halves[1], apart_s=apart_s)
    return Case(name, strike, promises, WITHIN_S, ends_sockets, may_keep_sockets=True)


def _half(chance: random.Random, target: str) -> _Half:
    if target == "redis":
        fault = chance.choice(sorted(_REDIS))
        return _Half(f"redis {fault}", _REDIS[fault], forgets=fault == "FLUSHALL")
    fault = chance.choice(sorted(PROCESS_FAULTS))
    if target == "interface":
        step, point = chance.choice(INTERFACE_STEPS)
    else:
        step, point, _ = chance.choice([step for step in WORKER_STEPS if step[2] == "talk"])
    nth = 1 if point.command in ("renew", "register") else chance.randint(1, 20)
    strike = partial(_strike, target=target, fault=fault, point=point, nth=nth)
    ends_sockets = target == "interface" and fault in ENDS_SOCKETS
    return _Half(f"{target} {fault} {point.when} {step} {nth}", strike, ends_sockets)


async def _strike(scene: Scene, target: str, fault: str, point: Point, nth: int) -> None:
    nodes = scene.cluster.interfaces if target == "interface" else scene.cluster.workers
    victim = nodes[1 if target == "worker 2" else 0]
    with victim.proxy.armed(point, nth) as arming:
        if point.command == "register":
            victim.proxy.cut_all()
        await PROCESS_FAULTS[fault](scene, victim, await arming.within(2 * PATIENCE_S))


async def _both(scene: Scene, first: _Half, second: _Half, apart_s: float) -> None:
    scene.patience_s = PATIENCE_S
    scene.forgot_from_s = asyncio.get_running_loop().time()
    supervisor = asyncio.create_task(_supervise(scene))

    async def later() -> None:
        await asyncio.sleep(apart_s)
        await second.strike(scene)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(later())
            group.create_task(_run(first, scene))
        scene.mended()
    finally:
        supervisor.cancel()
        await asyncio.gather(supervisor, return_exceptions=True)
    await scene.cluster.start(without_redis=True)


async def _run(half: _Half, scene: Scene) -> None:
    await half.strike(scene)


async def _supervise(scene: Scene) -> None:
    """Starts workers again that have ended, as `trunkline up` would: without one nothing can recover."""
    while True:
        await asyncio.sleep(SUPERVISED_S)
        if any(worker.process.exit_code is not None for worker in scene.cluster.workers):
            # One that found no Redis either ends too, and is started once more.
            with suppress(AssertionError):
                await scene.cluster.start(without_redis=True)
