"""Scaling: processes tell their load, and whoever is scraped tells how many there should be. The I/O of `desired`."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from ..errors import LayerError
from ..layer import OperatorLayer
from ..messages import ClusterStats, LeaseInfo
from ..settings import ScalingSettings
from .desired import Load, Queue, Targets, interfaces_wanted, workers_wanted
from .logs import RateLimited
from .pulse import beat

_warnings = RateLimited(logging.getLogger(__name__), per_s=0.1)

REPORT_S: Final = 2.0
"""How often a process tells its load."""
FORGOTTEN_S: Final = 6.0
"""A load that was not told again is forgotten after this: its process has ended, or its event loop is held."""
YOUNG_S: Final = 10.0
"""A process that has told nothing within this of its start may still be starting."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What Redis knows for a decision.

    Attributes:
        now_s: Unix time by Redis' clock.
        loads: process id to its load.
        waits_s: channel to the age of the oldest entry that no worker was given.
    """

    now_s: float
    loads: Mapping[str, Load] = field(default_factory=dict)
    waits_s: Mapping[str, float] = field(default_factory=dict)

    def besides(self, other: Shared) -> Shared:
        """What another Redis of the cluster knows, too."""
        waits_s = dict(self.waits_s)
        for channel, wait_s in other.waits_s.items():
            waits_s[channel] = max(wait_s, waits_s.get(channel, 0.0))
        return Shared(self.now_s, {**other.loads, **self.loads}, waits_s)


@runtime_checkable
class Scales(Protocol):
    """An operator's side over which processes share their loads; the in-memory layer, with one process, has none.

    All of it raises `LayerUnavailable` if Redis does not answer.
    """

    async def report_load(self, identity: str, load: Load) -> None:
        """Tells the load of a process, for `FORGOTTEN_S`."""
        ...

    async def shared_loads(self, ids: Sequence[str], channels: Sequence[str]) -> Shared:
        """What these processes told, and how long entries of these channels wait."""
        ...

    async def agree(self, found: Mapping[str, int], hold_s: float) -> dict[str, int]:
        """Notes how many processes of each role somebody found right; the most of the last ``hold_s``."""
        ...


def targets_of(settings: ScalingSettings) -> Targets:
    """The targets that somebody set."""
    return Targets(
        settings.target_wait_ms / 1000,
        settings.target_busy,
        settings.target_connections,
        settings.min_workers,
        settings.min_interfaces,
        settings.scale_down_s,
    )


async def decide(operator: Scales, stats: ClusterStats, targets: Targets) -> dict[str, int]:
    """How many processes of each role there should be.

    Args:
        operator: shares what is known.
        stats: of the cluster, just asked.
        targets: the same for all processes, or each would tell another figure.

    Raises:
        LayerUnavailable: Redis does not answer.
    """
    leases = [*stats.interfaces, *stats.workers]
    shared = await operator.shared_loads(
        [lease.id for lease in leases], [channel.channel for channel in stats.channels]
    )
    queues = [
        Queue(max(0, channel.length - channel.pending), shared.waits_s.get(channel.channel, 0.0))
        for channel in stats.channels
    ]
    workers = [shared.loads[lease.id] for lease in stats.workers if lease.id in shared.loads]
    interfaces = [shared.loads[lease.id] for lease in stats.interfaces if lease.id in shared.loads]
    silent = sum(1 for lease in stats.workers if _silent(lease, shared))
    found = {
        "worker": workers_wanted(workers, silent, queues, targets),
        "interface": interfaces_wanted(interfaces, targets),
    }
    return await operator.agree(found, targets.hold_s)


def _silent(lease: LeaseInfo, shared: Shared) -> bool:
    return lease.id not in shared.loads and shared.now_s - lease.started_s > YOUNG_S


class Reporter:
    """Tells a process's load, again and again.

    Args:
        operator: whom to tell; one that shares no loads is told nothing.
        identity: gives the process's id now, empty while it has none.
        measure: gives its load now, called every `REPORT_S`.
        sleep: the clock.
    """

    def __init__(
        self,
        operator: OperatorLayer,
        identity: Callable[[], str],
        measure: Callable[[float], Load],
        sleep: Callable[[float], Awaitable[None]] = beat,
    ) -> None:
        self._tell = operator.report_load if isinstance(operator, Scales) else _told_nobody
        self._identity = identity
        self._measure = measure
        self._sleep = sleep

    async def run(self) -> None:
        """Goes on for ever; a background loop. A Redis that is away is told of by others."""
        while True:
            load = self._measure(time.monotonic())
            identity = self._identity()
            if identity:
                try:
                    await self._tell(identity, load)
                except LayerError as error:
                    _warnings.warning("load", "cannot tell this process's load: %s", error)
            await self._sleep(REPORT_S)


async def _told_nobody(identity: str, load: Load) -> None:
    """The load of the only process there is."""
