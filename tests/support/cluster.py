"""A cluster of real processes, started and stopped by the very commands a user types."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.commands import ROOT, command
from trunkline.deploy.cluster import scrape, stats_of
from trunkline.deploy.rundir import ClusterState, RunDir
from trunkline.protocol.messages import LeaseInfo

_WORKER_LINE = re.compile(r"\b(w[0-9a-f]{12})\b")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that runs.

    Attributes:
        run_dir: its files.
        state: what was started.
    """

    run_dir: RunDir
    state: ClusterState

    @property
    def url(self) -> str:
        """Address of its page."""
        return f"http://127.0.0.1:{self.state.port}/"

    async def interfaces(self) -> list[LeaseInfo]:
        """The interface servers that hold a lease."""
        return (await stats_of(self.state.layer_settings())).interfaces

    async def connections(self) -> dict[int, int]:
        """Process id of each interface server that answers to how many WebSockets it has open."""
        leases = await self.interfaces()
        samples = await scrape(lease.admin for lease in leases)
        return {
            lease.pid: int(samples[lease.admin]["trunkline_connections"])
            for lease in leases
            if samples[lease.admin]
        }

    async def workers(self) -> list[LeaseInfo]:
        """The workers that hold a lease."""
        return (await stats_of(self.state.layer_settings())).workers

    def worker_lines(self, containing: str, log: Path | None = None) -> dict[str, list[str]]:
        """Worker id to its log lines with this text, from the cluster's log or another."""
        lines: dict[str, list[str]] = {}
        for line in (log or self.run_dir.log_file("worker")).read_text().splitlines():
            worker = _WORKER_LINE.search(line)
            if worker is not None and containing in line:
                lines.setdefault(worker[1], []).append(line)
        return lines


@asynccontextmanager
async def cluster_of(
    routing: str,
    folder: Path,
    *flags: str,
    interfaces: int,
    workers: int,
    cwd: Path = ROOT,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Cluster]:
    """Runs ``trunkline up`` on a free port, and ``trunkline down`` in the end.

    Args:
        routing: routing module, importable from ``cwd``.
        folder: run directory to use.
        flags: further ones of ``trunkline up``.
        interfaces: how many interface servers.
        workers: how many workers.
        cwd: where the commands are typed.
        environ: variables besides the usual ones.

    Raises:
        AssertionError: one of the commands failed; the text has what it printed.
    """
    numbers = ["--interfaces", str(interfaces), "--workers", str(workers)]
    up = ["up", routing, "--port", "0", "--run-dir", str(folder), *numbers, *flags]
    await trunkline(*up, cwd=cwd, environ=environ)
    try:
        run_dir = RunDir(folder)
        state = run_dir.load()
        assert state is not None, "'up' succeeded and left no state"
        yield Cluster(run_dir, state)
    finally:
        await trunkline("down", "--run-dir", str(folder), cwd=cwd)


async def trunkline(*arguments: str, cwd: Path = ROOT, environ: Mapping[str, str] | None = None) -> str:
    """Runs a ``trunkline`` command to its end, while this event loop goes on.

    Returns:
        What it printed.

    Raises:
        AssertionError: it ended with another code than 0.
    """
    done = await asyncio.to_thread(command, *arguments, cwd=cwd, environ=environ)
    assert done.code == 0, f"trunkline {' '.join(arguments)} ended with {done.code}:\n{done.printed}"
    return done.printed
