"""The supervisor's configuration file, from what `up` was asked for. Pure text.

Nothing secret stands in it: Redis' URL and every setting that both tiers know reach the processes by environment.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from .circus_hooks import HOOKS, Hook, redis_answers, redis_spawned
from .log_stream import open_stream
from .release import VARIABLE
from .rundir import ClusterState, RunDir

CHECK_DELAY_S = 0.5
"""How often circus looks for processes that died; traffic has to go on within 3 s of a crash."""

LOG_BYTES = 20_000_000
LOG_FILES = 5
KILL_AFTER_S = 5.0
"""What a process gets beyond its own drain before circus kills it."""

REDIS_STOP_S = 15.0
"""What Redis gets to write its append-only file out."""

PROMETHEUS_STOP_S = 15.0
"""What Prometheus gets to write its newest samples out."""


def stop_limit_s(drain_s: float) -> float:
    """Seconds a graceful stop may take: interface servers, a canary, workers, then Redis, and circus itself."""
    return 3 * (drain_s + KILL_AFTER_S) + REDIS_STOP_S + KILL_AFTER_S


def circus_config(
    run_dir: RunDir,
    state: ClusterState,
    interface: Sequence[str],
    worker: Sequence[str],
    redis: Sequence[str] | None,
    prometheus: Sequence[str] | None = None,
) -> str:
    """Writes the file.

    Args:
        run_dir: where logs and sockets are.
        state: the cluster.
        interface: command line of an interface server.
        worker: command line of a worker.
        redis: command line of the cluster's own Redis, None if it is somebody else's.
        prometheus: command line of its Prometheus, None if it has none.
    """
    # A stop goes in the order interface servers, a canary, workers, Redis, and each waits for those before it.
    stop_s = state.drain_s + KILL_AFTER_S
    sections = [
        _section(
            "circus",
            endpoint=run_dir.endpoint,
            pubsub_endpoint=run_dir.events_endpoint,
            check_delay=str(CHECK_DELAY_S),
            # Circus would announce itself by UDP multicast; nothing of a cluster leaves this machine unasked.
            multicast_endpoint="",
        ),
        _watcher(run_dir, "interface", interface, state.interfaces, priority=1, graceful_s=stop_s),
        _watcher(run_dir, "canary", worker, 0, priority=2, graceful_s=2 * stop_s),
        _section("env:canary", **{VARIABLE: str(run_dir.release("canary"))}),
        _watcher(run_dir, "worker", worker, state.workers, priority=3, graceful_s=3 * stop_s),
        _section("env:worker", **{VARIABLE: str(run_dir.release("worker"))}),
    ]
    if redis is not None:
        graceful_s = 3 * stop_s + REDIS_STOP_S
        hooks: dict[str, Hook] = {**HOOKS, "after_start": redis_answers, "after_spawn": redis_spawned}
        sections.append(_watcher(run_dir, "redis", redis, 1, priority=4, graceful_s=graceful_s, hooks=hooks))
    if prometheus is not None:
        # It stops at once and nobody waits for it: it needs none of the others, nor they it.
        hooks = {name: hook for name, hook in HOOKS.items() if name != "before_signal"}
        sections.append(
            _watcher(
                run_dir, "prometheus", prometheus, 1, priority=0, graceful_s=PROMETHEUS_STOP_S, hooks=hooks
            )
        )
    return "\n".join(sections)


def _watcher(
    run_dir: RunDir,
    name: str,
    command: Sequence[str],
    count: int,
    priority: int,
    graceful_s: float,
    hooks: Mapping[str, Hook] = HOOKS,
) -> str:
    options = {
        "cmd": shlex.join(command),
        "numprocesses": str(count),
        "copy_env": "True",
        "stop_signal": "TERM",
        "graceful_timeout": str(graceful_s),
        # Circus starts the highest first and stops the lowest first.
        "priority": str(priority),
    }
    for stream in ("stdout_stream", "stderr_stream"):
        options[f"{stream}.class"] = f"{open_stream.__module__}.{open_stream.__name__}"
        options[f"{stream}.filename"] = str(run_dir.log_file(name))
        options[f"{stream}.max_bytes"] = str(LOG_BYTES)
        options[f"{stream}.backup_count"] = str(LOG_FILES)
    for hook, function in hooks.items():
        options[f"hooks.{hook}"] = f"{function.__module__}.{function.__name__}"
    return _section(f"watcher:{name}", **options)


def _section(title: str, **options: str) -> str:
    return "\n".join([f"[{title}]", *(f"{name} = {value}" for name, value in options.items()), ""])
