"""``trunkline down``: stops the cluster, gracefully, and makes sure that nothing of it is left."""

from __future__ import annotations

import sys

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.exit_codes import ExitCode

from . import supervisor
from .circus_config import stop_limit_s
from .failures import refuse
from .rundir import RunDir
from .running import alone
from .settings import DownSettings


def run(settings: DownSettings) -> int:
    """Stops the cluster. Fine where none runs: what was asked for is so."""
    run_dir = RunDir(settings.run_dir)
    if not run_dir.path.is_dir():
        print("nothing is running")
        return ExitCode.OK
    try:
        with alone(run_dir):
            state = run_dir.load()
            if state is None:
                print("nothing is running")
                return ExitCode.OK
            count = len(supervisor.members(state.cluster))
            print(f"stopping {count} processes, gracefully …", flush=True)
            killed = supervisor.stop(state.cluster, stop_limit_s(state.drain_s))
            run_dir.forget()
    except (ConfigError, supervisor.SupervisorError) as error:
        return refuse("down", error, ExitCode.FAILED)
    for member in killed:
        print(
            f"trunkline down: {member.role} [{member.pid}] did not stop in time and was killed",
            file=sys.stderr,
        )
    print(f"stopped; logs stay in {run_dir.log}")
    return ExitCode.OK
