"""Rolling: the processes of a role replaced one by one, each new one ready before an old one is asked to go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from . import supervisor
from .circus_config import KILL_AFTER_S
from .cluster import Wanted, trips, wait_for_leases
from .failures import StartFailed
from .interruptions import breakable
from .restarts import HOPELESS
from .rundir import ClusterState, RunDir


def roll(
    run_dir: RunDir, state: ClusterState, role: str, patience_s: float, say: Callable[[str], None]
) -> None:
    """Replaces every process of a role that lives now.

    If it is broken off, by an exception or a signal, the rest of the old ones stay, and as many are wanted as before.
    What an earlier one left that was killed, processes too many, is mended.

    Args:
        run_dir: of the cluster.
        state: of the cluster.
        role: ``interface`` or ``worker``.
        patience_s: how long a new one may take to be ready.
        say: is told of each step.

    Raises:
        NotReady: a new one does not come up, or ends. It is gone again.
        SupervisorError: circus does not do what it is asked to.
    """
    old = _pids(state, role)
    for number, pid in enumerate(old, 1):
        say(f"{role} {number} of {len(old)}: starting another, then [{pid}] drains …")
        try:
            _replace(run_dir, state, role, pid, patience_s)
        except BaseException:
            if number > 1:
                say(
                    f"broken off: {number - 1} of {len(old)} {role}s were replaced before, and stay; repeat the "
                    "command to replace the rest, or 'trunkline deploy roll' for what ran before"
                )
            raise
    # One that died meanwhile was started again, and could not be sent home.
    living = _pids(state, role)
    supervisor.retire(
        run_dir, living[: max(0, len(living) - state.wanted(role))], state.drain_s + KILL_AFTER_S
    )


def _replace(run_dir: RunDir, state: ClusterState, role: str, pid: int, patience_s: float) -> None:
    more = state.with_one_more(role)
    before = set(_pids(state, role))
    # First of all: a process that circus holds back (see circus_hooks) comes back only up to this number.
    run_dir.save(more)
    try:
        start(run_dir, more, role, patience_s)
    except BaseException:
        run_dir.save(state)
        supervisor.retire(run_dir, set(_pids(state, role)) - before, state.drain_s + KILL_AFTER_S)
        raise
    run_dir.save(state)
    supervisor.retire(run_dir, [pid], state.drain_s + KILL_AFTER_S)


def start(run_dir: RunDir, state: ClusterState, role: str, patience_s: float) -> None:
    """Brings a role to the number that is wanted, and waits until all of them are ready.

    The wait is what a signal may break off, also where the caller holds signals back.

    Raises:
        NotReady: that takes longer, or is in vain.
        SupervisorError: circus does not do what it is asked to.
    """
    began_s = time.time()
    before = set(_pids(state, role))
    supervisor.set_number(run_dir, role, state.wanted(role))
    wanted = Wanted(
        numbers={role: state.wanted(role)},
        pids=lambda of: set(_pids(state, of)),
        broken=lambda: raise_if_hopeless(run_dir, began_s),
    )

    async def ready() -> None:
        leases = await wait_for_leases(state.layer_settings(), wanted, patience_s)
        if role == "interface":
            await trips(lease for lease in leases if lease.pid not in before)

    with breakable():
        asyncio.run(ready())


def raise_if_hopeless(run_dir: RunDir, began_s: float) -> None:
    """Ends waiting for processes that a person has to help.

    Raises:
        StartFailed: since then one ended that starting again does not mend. One that merely crashed is started again by
            itself, and may be none of the new ones.
    """
    for ended in run_dir.exits():
        if ended.time_s >= began_s and ended.exit_code in HOPELESS:
            raise StartFailed(ended)


def _pids(state: ClusterState, role: str) -> list[int]:
    """Oldest first."""
    return [member.pid for member in supervisor.members(state.cluster) if member.role == role]
