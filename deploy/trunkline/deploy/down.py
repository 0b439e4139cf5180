"""``trunkline down``: stops the cluster, gracefully, and makes sure that nothing of it is left."""

from __future__ import annotations

import sys

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.exit_codes import ExitCode

from . import supervisor
from .circus_config import KILL_AFTER_S, REDIS_STOP_S
from .rundir import ClusterState, RunDir
from .settings import DownSettings


def patience_s(state: ClusterState) -> float:
    """Seconds a graceful stop of this cluster may take: interface servers, workers, then Redis, and circus itself."""
    return 2 * (state.drain_s + KILL_AFTER_S) + REDIS_STOP_S + KILL_AFTER_S


def run(settings: DownSettings) -> int:
    """Stops the cluster. Fine where none runs: what was asked for is so."""
    run_dir = RunDir(settings.run_dir)
    if not run_dir.path.is_dir():
        print("nothing is running")
        return ExitCode.OK
    try:
        with run_dir.lock(
            lambda: print("waiting for another trunkline command about this cluster …", flush=True)
        ):
            state = run_dir.load()
            if state is None:
                print("nothing is running")
                return ExitCode.OK
            count = len(supervisor.members(state.cluster))
            print(f"stopping {count} processes, gracefully …", flush=True)
            killed = supervisor.stop(state.cluster, patience_s(state))
            run_dir.forget()
    except (ConfigError, supervisor.SupervisorError) as error:
        print(f"trunkline down: {error}", file=sys.stderr)
        return ExitCode.FAILED
    for member in killed:
        print(
            f"trunkline down: {member.role} [{member.pid}] did not stop in time and was killed",
            file=sys.stderr,
        )
    print(f"stopped; logs stay in {run_dir.log}")
    return ExitCode.OK
