"""Runs workloads: Trunkline and the floor in turns, each run by a generator of its own."""

from __future__ import annotations

import itertools
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final

from .outcome import Outcome, Run, figure
from .processes import ROOT, Cores, clean_environment, pinned
from .rules import faults
from .settings import BenchSettings
from .spec import Kind, Report, Spec
from .systems import System, floor, trunkline
from .workloads import WORKLOADS, Workload

RESERVED_FILES: Final = 128
"""Descriptors of server and generator that are no client's."""
SPARE_S: Final = 60.0
"""For connecting and closing. A generator that takes so much longer than its load hangs."""


class GeneratorFailed(RuntimeError):
    """The generator ended without a report; the text has its last words."""


class Suite:
    """The suite.

    Args:
        settings: of the run.
        cores: where processes run.
        say: told how each run went.
    """

    def __init__(self, settings: BenchSettings, cores: Cores, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._cores = cores
        self._say = say
        self._numbers = itertools.count(1)

    def run(self) -> Iterator[Outcome]:
        """Runs every workload that was asked for.

        Raises:
            ConfigError: there is no Redis.
            NotStarted: a server did not come up.
            GeneratorFailed: there is no report.
        """
        for name in self._settings.only or WORKLOADS:
            yield self._workload(name, WORKLOADS[name])

    def _workload(self, name: str, workload: Workload) -> Outcome:
        outcome = Outcome(name, workload, connections(workload, self._settings), [], [])

        def start_mine() -> AbstractContextManager[System]:
            return trunkline(self._cores, self._settings.persistence, workload.fresh)

        def start_floor() -> AbstractContextManager[System]:
            return floor(self._cores, workload.fresh)

        if workload.fresh:
            for _ in range(self._settings.pairs):
                with start_mine() as mine:
                    self._one(outcome, outcome.mine, mine, workload.path)
                with start_floor() as other:
                    self._one(outcome, outcome.floors, other, workload.floor_path)
            return outcome
        # Both stay up: an idle server costs the other one next to nothing, and starting would cool the caches.
        with start_mine() as mine, start_floor() as other:
            for _ in range(self._settings.pairs):
                self._one(outcome, outcome.mine, mine, workload.path)
                self._one(outcome, outcome.floors, other, workload.floor_path)
        return outcome

    def _one(self, outcome: Outcome, runs: list[Run], system: System, path: str) -> None:
        workload, settings = outcome.workload, self._settings
        spec = Spec(
            kind=workload.kind,
            host=system.host,
            port=system.port,
            path=path.format(run=next(self._numbers)),
            connections=outcome.connections,
            rate=workload.rate,
            warm_up_s=settings.warm_up_s,
            seconds=settings.seconds,
            latency=workload.latency,
            pids=system.pids,
            server_core=self._cores.servers,
        )
        report = generate(spec, self._cores.generator)
        wrong = faults(report, workload.kind, workload.latency)
        value = None if wrong else figure(report, workload.kind, system.holder, outcome.connections)
        runs.append(Run(report, wrong, value))
        shown = f"void: {'; '.join(wrong)}" if value is None else f"{value:.2f} {workload.unit}"
        self._say(f"{outcome.name} {system.holder} {shown}")


def connections(workload: Workload, settings: BenchSettings) -> int:
    """How many connections a workload has."""
    if workload.one_connection:
        return 1
    if workload.kind is not Kind.IDLE:
        return settings.connections
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return settings.idle_connections
    return max(1, min(settings.idle_connections, hard - RESERVED_FILES))


def generate(spec: Spec, core: int | None) -> Report:
    """Runs a generator.

    Args:
        spec: the run.
        core: where it runs.

    Raises:
        GeneratorFailed: there is no report.
    """
    with pinned(core):
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.generator"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=clean_environment(),
        )
    try:
        answer, errors = process.communicate(spec.encode(), timeout=spec.warm_up_s + spec.seconds + SPARE_S)
    except subprocess.TimeoutExpired:
        raise GeneratorFailed(f"the generator hangs, {spec.kind} at {spec.path}") from None
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        raise GeneratorFailed(f"the generator ended with {process.returncode}:\n{errors.strip()}")
    return Report.decode(answer)
