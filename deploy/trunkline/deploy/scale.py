"""``trunkline scale``: other numbers of processes for the running cluster; those that stay are not touched."""

from __future__ import annotations

import asyncio
import time

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.exit_codes import ExitCode

from . import supervisor
from .circus_config import KILL_AFTER_S
from .cluster import NotReady, Wanted, trips, wait_for_leases
from .failures import explain, refuse
from .rolling import raise_if_hopeless
from .rundir import ClusterState, RunDir
from .running import NotRunning, alone, supervised
from .settings import ScaleSettings


def run(settings: ScaleSettings) -> int:
    """Scales, and returns when the leases agree."""
    if settings.interfaces is None and settings.workers is None:
        return refuse("scale", "expected --interfaces N, --workers N, or both", ExitCode.USAGE)
    run_dir = RunDir(settings.run_dir)
    try:
        supervised(run_dir)
        with alone(run_dir):
            return _scale(run_dir, supervised(run_dir), settings)
    except NotRunning as error:
        return refuse("scale", error, ExitCode.NOT_RUNNING)
    except (ConfigError, NotReady, supervisor.SupervisorError) as error:
        explain("scale", run_dir, error)
        return ExitCode.FAILED


def _scale(run_dir: RunDir, state: ClusterState, settings: ScaleSettings) -> int:
    scaled = state.scaled(settings.interfaces or state.interfaces, settings.workers or state.workers)
    # First of all: a process that circus holds back (see circus_hooks) comes back only up to this number.
    run_dir.save(scaled)
    began_s = time.time()
    for role in ("interface", "worker"):
        _to_number(run_dir, scaled, role)
    living = _by_role(scaled)
    wanted = Wanted(
        numbers={"interface": scaled.interfaces, "worker": scaled.workers},
        pids=lambda role: _by_role(scaled)[role],
        broken=lambda: raise_if_hopeless(run_dir, began_s),
    )

    async def ready() -> None:
        interfaces = await wait_for_leases(scaled.layer_settings(), wanted, settings.start_timeout_s)
        await trips(lease for lease in interfaces if lease.pid not in living["interface"])

    asyncio.run(ready())
    print(f"running: {scaled.interfaces} interface servers, {scaled.workers} workers")
    return ExitCode.OK


def _to_number(run_dir: RunDir, state: ClusterState, role: str) -> None:
    pids = [member.pid for member in supervisor.members(state.cluster) if member.role == role]
    count = state.wanted(role)
    if len(pids) > count:
        print(f"stopping {len(pids) - count} {role}s, gracefully …", flush=True)
        # The youngest go: they hold the fewest connections.
        supervisor.retire(run_dir, pids[count:], state.drain_s + KILL_AFTER_S)
    else:
        supervisor.set_number(run_dir, role, count)


def _by_role(state: ClusterState) -> dict[str, set[int]]:
    members = supervisor.members(state.cluster)
    return {
        role: {member.pid for member in members if member.role == role} for role in ("interface", "worker")
    }
