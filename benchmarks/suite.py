"""Runs workloads: Trunkline and all others in turns, each run by a generator of its own."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from trunkline.protocol.errors import ConfigError

from .driver import GeneratorFailed, generate
from .files import most_connections
from .outcome import OURS, Outcome, Run, figure
from .peer import Peer, Route, System
from .processes import Cores, NotStarted
from .rules import faults
from .settings import BenchSettings
from .spec import Kind, Spec, Target
from .systems import FLOOR
from .workload import ALL, Workload
from .workloads import WORKLOADS

FAILURES: Final = (ConfigError, NotStarted, GeneratorFailed, OSError)
"""Of a system that cannot be measured: it is left out, the others go on."""


class Suite:
    """The suite.

    Args:
        settings: of the run.
        cores: where processes run.
        peers: the systems that can run here; Trunkline is the first.
        say: told how each run went.
    """

    def __init__(
        self, settings: BenchSettings, cores: Cores, peers: Sequence[Peer], say: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._cores = cores
        self._peers = peers
        self._say = say
        self._numbers = itertools.count(1)

    def run(self) -> Iterator[Outcome]:
        """Runs every workload that was asked for."""
        for name in self._settings.names():
            yield self._workload(name, WORKLOADS[name])

    def _workload(self, name: str, workload: Workload) -> Outcome:
        outcome = Outcome(
            name, workload, connections(workload, self._settings.most_connections), workload.rate
        )
        rounds = min(self._settings.pairs, workload.rounds or self._settings.pairs)
        peers = [peer for peer in self._peers if takes_part(peer, workload)]
        with ExitStack() as stack:
            systems: dict[str, System] = {}

            def start(peer: Peer) -> None:
                systems[peer.name] = stack.enter_context(self._started(peer, workload))

            def measure_fresh(peer: Peer) -> None:
                with self._started(peer, workload) as system:
                    self._one(outcome, peer, system)

            if not workload.fresh:
                # All stay up: an idle server costs the others next to nothing, and starting would cool the caches.
                for peer in peers:
                    self._attempt(outcome, peer, start)
                if workload.half:
                    self._attempt(
                        outcome, self._peers[0], lambda one: self._pace(outcome, one, systems[one.name])
                    )
            for peer in peers * rounds:
                if workload.fresh:
                    self._attempt(outcome, peer, measure_fresh)
                else:
                    self._attempt(outcome, peer, lambda one: self._one(outcome, one, systems[one.name]))
        return outcome

    def _attempt(self, outcome: Outcome, peer: Peer, action: Callable[[Peer], None]) -> None:
        """Does something with a system; one that fails is left out from then on."""
        if peer.name in outcome.left_out:
            return
        try:
            action(peer)
        except FAILURES as error:
            outcome.left_out[peer.name] = str(error)
            self._say(f"{outcome.name}: {peer.name} is left out: {error}")

    @contextmanager
    def _started(self, peer: Peer, workload: Workload) -> Iterator[System]:
        shape = replace(workload.shape, persistence=self._settings.persistence)
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            peer.start(self._cores, Path(folder), shape) as system,
        ):
            yield system

    def _pace(self, outcome: Outcome, peer: Peer, system: System) -> None:
        """Sets half of what Trunkline does at most with one message outstanding on each connection."""
        spec = replace(self._spec(outcome, peer, system), kind=Kind.CLOSED, latency=False, trace_s=0.0)
        outcome.rate = generate(spec, self._cores.generator).rate / 2

    def _spec(self, outcome: Outcome, peer: Peer, system: System) -> Spec:
        workload, settings = outcome.workload, self._settings
        route = route_of(peer, workload)
        assert route is not None, f"{peer.name} takes no part in {outcome.name}"
        target = Target(
            host=system.host,
            ports=[system.port, *system.further.values()],
            path=route.path,
            dialect=route.dialect,
            pids=system.pids,
            holders=[system.holder, *system.further],
            core=self._cores.servers,
            redis=system.redis,
            scripted=sorted(system.scripted),
        )
        return Spec(
            kind=workload.kind,
            target=target,
            run=f"b{next(self._numbers)}",
            connections=outcome.connections,
            warm_up_s=settings.warm_up_s,
            seconds=settings.seconds,
            size=workload.size,
            rate=outcome.rate,
            room_size=workload.room_size,
            slow=workload.slow,
            factor=workload.factor,
            latency=workload.latency,
            trace_s=settings.trace_s if workload.trace else 0.0,
        )

    def _one(self, outcome: Outcome, peer: Peer, system: System) -> None:
        workload = outcome.workload
        spec = self._spec(outcome, peer, system)
        report = generate(spec, self._cores.generator)
        wrong = faults(report, workload.kind, workload.latency, workload.factor)
        value = None
        if not wrong:
            value = figure(report, workload.measure, spec.target.holders, outcome.connections)
        outcome.runs.setdefault(peer.name, []).append(Run(report, wrong, value))
        shown = f"void: {'; '.join(wrong)}" if value is None else f"{value:.2f} {workload.measure}"
        self._say(f"{outcome.name} {peer.name} {shown}")


def route_of(peer: Peer, workload: Workload) -> Route | None:
    """Where a system does a workload's job, None if it does not. Silent connections may be silent anywhere."""
    anywhere = next(iter(peer.routes.values()), None) if workload.kind is Kind.IDLE else None
    return peer.routes.get(workload.job, anywhere)


def takes_part(peer: Peer, workload: Workload) -> bool:
    """Whether a system is measured in a workload."""
    if route_of(peer, workload) is None:
        return False
    if peer.name == OURS:
        return True
    if peer.name == FLOOR.name:
        return workload.floor
    return workload.peers == ALL or peer.name in workload.peers


def connections(workload: Workload, most: int) -> int:
    """How many connections a workload has: what the files of the processes that hold them let it have.

    Args:
        workload: it.
        most: of any workload.
    """
    holders = workload.shape.interfaces if workload.kind is Kind.IDLE else 1
    return min(workload.connections, most, most_connections() * holders)
