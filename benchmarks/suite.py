"""Runs workloads: Trunkline and all others in turns, each run by a generator of its own."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from trunkline.protocol.errors import ConfigError

from .driver import GeneratorFailed, generate
from .outcome import Outcome, Run, figure
from .peer import Peer, System
from .processes import Cores, NotStarted
from .rules import faults, spared
from .settings import BenchSettings
from .spec import Kind, Spec, Target
from .turns import Turn, connections, route_of, turns
from .workload import Workload
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
        workloads: name to workload.
    """

    def __init__(
        self,
        settings: BenchSettings,
        cores: Cores,
        peers: Sequence[Peer],
        say: Callable[[str], None],
        workloads: Mapping[str, Workload] = WORKLOADS,
    ) -> None:
        self._settings = settings
        self._cores = cores
        self._peers = peers
        self._say = say
        self._workloads = workloads
        self._numbers = itertools.count(1)

    def run(self) -> Iterator[Outcome]:
        """Runs every workload that was asked for."""
        for name in self._settings.names():
            yield self.measure(name)

    def measure(self, name: str) -> Outcome:
        """Runs one workload.

        Args:
            name: of it.
        """
        workload, settings = self._workloads[name], self._settings
        outcome = Outcome(name, workload, connections(workload, settings.most_connections), workload.rate)
        taking_turns = turns(name, self._peers, self._workloads)
        with ExitStack() as stack:
            systems: dict[str, System] = {}

            def start(turn: Turn) -> None:
                systems[turn.name] = stack.enter_context(self._started(turn))

            def pace(turn: Turn) -> None:
                self._pace(outcome, turn, systems[turn.name])

            def run(turn: Turn) -> None:
                self._one(outcome, turn, systems[turn.name])

            def run_fresh(turn: Turn) -> None:
                with self._started(turn) as system:
                    self._one(outcome, turn, system)

            if not workload.fresh:
                # All stay up: an idle server costs the others next to nothing, and starting would cool the caches.
                for turn in taking_turns:
                    self._attempt(outcome, turn, start)
                if workload.half:
                    self._attempt(outcome, taking_turns[0], pace)
            for turn in taking_turns * min(settings.pairs, workload.rounds or settings.pairs):
                self._attempt(outcome, turn, run_fresh if workload.fresh else run)
        return outcome

    def _attempt(self, outcome: Outcome, turn: Turn, action: Callable[[Turn], None]) -> None:
        """Does something with one; if it fails it is left out from then on."""
        if turn.name in outcome.left_out:
            return
        try:
            action(turn)
        except FAILURES as error:
            outcome.left_out[turn.name] = str(error)
            self._say(f"{outcome.name}: {turn.name} is left out: {error}")

    @contextmanager
    def _started(self, turn: Turn) -> Iterator[System]:
        shape = replace(turn.workload.shape, persistence=self._settings.persistence)
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            turn.peer.start(self._cores, Path(folder), shape) as system,
        ):
            yield system

    def _pace(self, outcome: Outcome, turn: Turn, system: System) -> None:
        """Sets half of what Trunkline does at most with one message outstanding on each connection."""
        spec = replace(self._spec(outcome, turn, system), kind=Kind.CLOSED, latency=False, trace_s=0.0)
        outcome.rate = generate(spec, self._cores.generator).rate / 2

    def _spec(self, outcome: Outcome, turn: Turn, system: System) -> Spec:
        workload, settings = turn.workload, self._settings
        route = route_of(turn.peer, workload)
        assert route is not None, f"{turn.name} takes no part in {outcome.name}"
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
            connections=connections(workload, settings.most_connections),
            warm_up_s=settings.warm_up_s,
            seconds=settings.seconds,
            size=workload.size,
            rate=workload.rate or outcome.rate,
            room_size=workload.room_size,
            slow=workload.slow,
            factor=workload.factor,
            latency=workload.latency,
            trace_s=settings.trace_s if workload.trace else 0.0,
        )

    def _one(self, outcome: Outcome, turn: Turn, system: System) -> None:
        workload = turn.workload
        spec = self._spec(outcome, turn, system)
        report = generate(spec, self._cores.generator)
        wrong = faults(report, workload.kind, workload.latency, workload.factor)
        wrong += spared(report, workload.shape.redis_share)
        value = None
        if not wrong:
            value = figure(report, workload.measure, spec.target.holders, spec.connections)
        outcome.runs.setdefault(turn.name, []).append(Run(report, wrong, value))
        shown = f"void: {'; '.join(wrong)}" if value is None else f"{value:.2f} {workload.measure}"
        self._say(f"{outcome.name} {turn.name} {shown}")
