"""The running cluster, for the commands that need one."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

from trunkline.protocol.errors import TrunklineError
from trunkline.protocol.settings import LayerSettings

from . import supervisor
from .redis_server import configured_url
from .rundir import ClusterState, RunDir

_START = "start one with 'trunkline up' or 'make up'"


class NotRunning(TrunklineError):
    """The command needs a running cluster and there is none."""


def running(run_dir: RunDir) -> ClusterState:
    """The cluster of this run directory.

    Raises:
        NotRunning: there is none; the text says what to do.
        ConfigError: its state cannot be read.
    """
    state = run_dir.load()
    if state is None:
        raise NotRunning(f"no cluster is running in {run_dir.path}: {_START}")
    if not supervisor.members(state.cluster):
        raise NotRunning(
            f"the cluster in {run_dir.path} ended without 'down' (a restart of the machine?): "
            "'trunkline up' starts it again"
        )
    return state


def alone(run_dir: RunDir) -> AbstractContextManager[None]:
    """Keeps other commands from changing this cluster meanwhile, and says so if it has to wait for one."""
    return run_dir.lock(
        lambda: print("waiting for another trunkline command about this cluster …", flush=True)
    )


def supervised(run_dir: RunDir) -> ClusterState:
    """The cluster of this run directory, for a command that needs its supervisor.

    Raises:
        NotRunning: there is none, or circusd was killed; the text says what to do.
        ConfigError: its state cannot be read.
    """
    state = running(run_dir)
    if not any(member.role == "circusd" for member in supervisor.members(state.cluster)):
        raise NotRunning(
            f"the supervisor of the cluster in {run_dir.path} was killed, the rest still runs: "
            "'trunkline up' stops that and starts anew, 'trunkline down' only stops it"
        )
    return state


def guessed(run_dir: Path, given: LayerSettings) -> str:
    """A sentence for the case that nobody answers where a command looks: empty unless it can only guess the address,
    because it was told none and no cluster runs here.

    Args:
        run_dir: where a running cluster may be found.
        given: settings of the command.
    """
    state = RunDir(run_dir).load() if run_dir.is_dir() else None
    if state is not None or configured_url(given.redis_url, os.environ):
        return ""
    default = LayerSettings.model_fields["redis_url"].default
    return (
        f"no cluster is running in {run_dir.absolute()}, and there is no Redis at {default} either: {_START}, go to "
        "the directory where one was started, or say with --redis-url or --run-dir where it is"
    )


def layer_settings(run_dir: Path, given: LayerSettings) -> LayerSettings:
    """Where the cluster is that a command means: what it was told, else the one that runs here, else ``REDIS_URL``.

    Args:
        run_dir: where a running cluster may be found.
        given: settings of the command; an empty ``redis_url`` was not given.
    """
    if not given.redis_url:
        state = RunDir(run_dir).load() if run_dir.is_dir() else None
        if state is not None:
            return state.layer_settings()
    values = {name: getattr(given, name) for name in LayerSettings.model_fields}
    url = configured_url(given.redis_url, os.environ) or LayerSettings.model_fields["redis_url"].default
    return LayerSettings(**{**values, "redis_url": url})
