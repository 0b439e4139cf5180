"""How many processes a cluster should have, for autoscalers. Pure.

Every process says now and then how loaded it is (`Load`). Whoever is scraped takes all of that and what waits in Redis,
and decides; the decisions of the last minutes are shared too (`desired.lua`), so all of them tell the same figure.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

CATCH_UP_S: Final = 10.0
"""What has waited for too long is to be worked off within this, besides what goes on arriving."""
WINDOW_S: Final = 10.0
"""Loads are averages of so many seconds: shorter ones swing with every burst, longer ones notice a rush late."""
_SLACK: Final = 1e-6
"""Of a process: what rounding adds to an exact number must not ask for one more."""


LEAST_PER_S: Final = 1e-6
"""Fewer entries a second than that are none: nothing can be told of how long one takes."""


class Load(NamedTuple):
    """What a process says of its load.

    Attributes:
        busy: share of what it can do that it does: its CPU (of one core) or, of a worker, its busiest kind of slots.
        taken_per_s: entries that a worker took a second.
        connections: open WebSockets of an interface server.
    """

    busy: float
    taken_per_s: float = 0.0
    connections: int = 0


class Queue(NamedTuple):
    """What waits in a channel.

    Attributes:
        waiting: entries that no worker was given.
        wait_s: how long the oldest of them has waited.
    """

    waiting: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class Targets:
    """What a cluster's processes shall be like.

    Attributes:
        wait_s: entries may wait so long for a worker.
        busy: share of what a process can do that it shall do, above 0.
        connections: of an interface server.
        min_workers: never fewer.
        min_interfaces: never fewer.
        hold_s: a number is lowered when it was too high for so long.
    """

    wait_s: float = 0.25
    busy: float = 0.7
    connections: int = 10_000
    min_workers: int = 1
    min_interfaces: int = 1
    hold_s: float = 300.0


def workers_wanted(loads: Iterable[Load], silent: int, queues: Iterable[Queue], targets: Targets) -> int:
    """Workers that a cluster should have.

    Args:
        loads: of the workers that told theirs.
        silent: workers with a lease that told none, long after their start: a handler holds their event loop.
        queues: what waits, by channel.
        targets: what they shall be like.
    """
    told = list(loads)
    late = [queue for queue in queues if queue.waiting > 0 and queue.wait_s > targets.wait_s]
    work = math.fsum(min(1.0, load.busy) for load in told) + silent
    taken_per_s = math.fsum(load.taken_per_s for load in told)
    waiting = sum(queue.waiting for queue in late)
    if taken_per_s < LEAST_PER_S:
        # Nobody knows how long an entry takes: what is there does not suffice if something waits.
        return _at_least(targets.min_workers, work / targets.busy + (1 if waiting else 0))
    # What waits came within the time that the oldest of it has waited: it tells how fast entries arrive, also while
    # workers that can do no more take them more slowly.
    arrivals_per_s = max(taken_per_s, math.fsum(queue.waiting / queue.wait_s for queue in late))
    return workers_for(arrivals_per_s, work / taken_per_s, waiting, targets)


def workers_for(arrivals_per_s: float, service_s: float, late: int, targets: Targets) -> int:
    """Workers that a load needs.

    Args:
        arrivals_per_s: entries that come a second.
        service_s: seconds of a whole worker that each takes: its handler's by the worker's slots, or its CPU's.
        late: entries that have waited for longer than they may.
        targets: what workers shall be like.
    """
    steady = arrivals_per_s * service_s / targets.busy
    return _at_least(targets.min_workers, steady + late * service_s / CATCH_UP_S)


def interfaces_wanted(loads: Iterable[Load], targets: Targets) -> int:
    """Interface servers that a cluster should have, for its connections and for its CPU, whichever needs more."""
    told = list(loads)
    for_connections = sum(load.connections for load in told) / targets.connections
    for_cpu = math.fsum(load.busy for load in told) / targets.busy
    return _at_least(targets.min_interfaces, max(for_connections, for_cpu))


def _at_least(least: int, exact: float) -> int:
    return max(1, least, math.ceil(exact - _SLACK))


class LoadMeter:
    """Averages a process's load over the last `WINDOW_S`."""

    __slots__ = ("_looks",)

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float, float, Mapping[str, float]]] = deque()

    def note(
        self,
        at_s: float,
        cpu_s: float,
        taken: float = 0.0,
        slot_seconds: Mapping[str, float] | None = None,
        slots: Mapping[str, int] | None = None,
        connections: int = 0,
    ) -> Load:
        """Takes the counters of a process and tells its load.

        Args:
            at_s: seconds that only rise.
            cpu_s: CPU that the process has used.
            taken: entries it has taken.
            slot_seconds: kind of slots to the seconds they were taken by handlers.
            slots: kind of slots to their number.
            connections: open WebSockets.
        """
        now = (at_s, cpu_s, taken, dict(slot_seconds or {}))
        looks = self._looks
        while len(looks) > 1 and at_s - looks[1][0] >= WINDOW_S:
            looks.popleft()
        then = looks[0] if looks else now
        looks.append(now)
        span_s = at_s - then[0]
        if span_s <= 0:
            return Load(0.0, 0.0, connections)
        shares = [(cpu_s - then[1]) / span_s]
        for kind, number in (slots or {}).items():
            shares.append((now[3].get(kind, 0.0) - then[3].get(kind, 0.0)) / span_s / number)
        return Load(max(0.0, *shares), max(0.0, taken - then[2]) / span_s, connections)
