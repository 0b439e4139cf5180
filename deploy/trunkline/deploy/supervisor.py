"""The supervisor, circusd, as the commands see it: started, asked, stopped, and which processes are its own.

A cluster's processes are known by a random mark in their environment, not by who their parent is: so they are found
also when circusd itself was killed, and no other process is ever taken for one of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from trunkline.protocol.errors import TrunklineError

from .release import VARIABLE
from .rundir import STOP_ORDER, RunDir

MARK = "_TRUNKLINE_CLUSTER"
CALL_TIMEOUT_S = 10.0
KILL_WAIT_S = 5.0
_POLL_S = 0.1
_BY_FILE = {"redis-server": "redis", "valkey-server": "redis", "prometheus": "prometheus"}


class SupervisorError(TrunklineError):
    """Circus does not do what it was asked to."""


@dataclass(frozen=True, slots=True)
class Member:
    """A process of the cluster on this machine.

    Attributes:
        pid: its process id.
        role: ``interface``, ``worker``, ``canary``, ``redis``, ``prometheus``, ``circusd``, or ``child`` for what one
            of them started.
        started_s: Unix time.
    """

    pid: int
    role: str
    started_s: float


def start(run_dir: RunDir, cluster: str, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts circusd in the background, with the configuration that stands in the run directory.

    Args:
        run_dir: of the cluster.
        cluster: the mark of its processes.
        environ: environment for all of them.
    """
    with open(run_dir.log_file("circusd"), "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "circus.circusd", str(run_dir.config_file)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**environ, MARK: cluster},
            # Where `up` was given may be a release that is removed when a later one is out: from there nothing could be
            # started any more. Workers go where their code is (see `release`).
            cwd=run_dir.path,
            # A session of its own: Ctrl-C in the terminal that started the cluster must not reach it.
            start_new_session=True,
        )


def members(cluster: str) -> list[Member]:
    """The living processes with this mark, oldest first."""
    found = []
    for process in psutil.process_iter():
        try:
            environ = process.environ()
            if environ.get(MARK) == cluster and process.status() != psutil.STATUS_ZOMBIE:
                found.append(Member(process.pid, _role(process, environ), process.create_time()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # Gone meanwhile, or of another user and so none of ours.
    return sorted(found, key=lambda member: (member.started_s, member.pid))


def _role(process: psutil.Process, environ: Mapping[str, str]) -> str:
    command = process.cmdline()
    if "circus.circusd" in command:
        return "circusd"
    for role in ("interface", "worker"):
        if command[1:4] == ["-m", "trunkline.deploy", role]:
            # The file that it runs has its watcher's name.
            return Path(environ.get(VARIABLE, role)).stem if role == "worker" else role
    # A Redis writes its own title over its command line; its file tells.
    return _BY_FILE.get(os.path.basename(process.exe()), "child")


def set_number(run_dir: RunDir, role: str, count: int) -> None:
    """Tells circus how many processes of a role there shall be; never fewer than there are.

    Lowering goes by `retire`: circus would do nothing else, not even replace a process that died, until the last one
    has drained.

    Raises:
        SupervisorError: circus does not answer, or refuses.
    """
    _call(run_dir, "set", name=role, options={"numprocesses": count})
    if count:
        # A watcher that never had a process is stopped, and of one that is not circus starts what is missing.
        _call(run_dir, "start", name=role)


def retire(run_dir: RunDir, pids: Iterable[int], patience_s: float) -> None:
    """Stops processes gracefully, without others in their place; waits until they are gone and circus knows it.

    Args:
        run_dir: of the cluster.
        pids: whom.
        patience_s: how long they may take before they are killed.
    """
    leaving = list(pids)
    for pid in leaving:
        (run_dir.retiring / str(pid)).touch()
    _signal(leaving, psutil.Process.terminate)
    if not wait_gone(lambda: alive(leaving), patience_s):
        _signal(alive(leaving), psutil.Process.kill)
        wait_gone(lambda: alive(leaving), KILL_WAIT_S)
    # Circus looks every half a second, and the hook that it asks then takes the note away.
    wait_gone(lambda: [pid for pid in leaving if (run_dir.retiring / str(pid)).exists()], KILL_WAIT_S)


def stop(cluster: str, patience_s: float) -> list[Member]:
    """Stops the whole cluster: gracefully through circus, and by force what is left after that.

    Args:
        cluster: the mark of its processes.
        patience_s: how long a role may take.

    Returns:
        What had to be killed.

    Raises:
        SupervisorError: something survived even that.
    """

    def of(role: str) -> list[int]:
        return [member.pid for member in members(cluster) if member.role == role]

    # Circusd stops all of them in their order. Where it was killed, or does not manage, we do.
    for role in ("circusd", *STOP_ORDER, "prometheus", "child"):
        _signal(of(role), psutil.Process.terminate)
        wait_gone(partial(of, role), patience_s)
    killed = members(cluster)
    _signal([member.pid for member in killed], psutil.Process.kill)
    if not wait_gone(lambda: members(cluster), KILL_WAIT_S):
        pids = ", ".join(str(member.pid) for member in members(cluster))
        raise SupervisorError(f"processes {pids} survive SIGKILL; see 'ps' for what they wait for")
    return killed


def wait_gone(living: Callable[[], Iterable[Any]], patience_s: float) -> bool:
    """Waits until nothing lives any more; False if that takes longer."""
    deadline = time.monotonic() + patience_s
    while any(True for _ in living()):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def alive(pids: Iterable[int]) -> list[int]:
    """Those of the processes that still run. A zombie does not: only its parent has not looked yet."""
    living = []
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                living.append(pid)
        except psutil.NoSuchProcess:
            continue
    return living


def _signal(pids: Iterable[int], send: Callable[[psutil.Process], None]) -> None:
    for pid in pids:
        try:
            send(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue


def _call(run_dir: RunDir, command: str, **properties: Any) -> None:
    # Imported here: ZeroMQ takes a tenth of a second that most verbs need not spend.
    from circus.client import CircusClient
    from circus.exc import CallError

    deadline = time.monotonic() + CALL_TIMEOUT_S
    client = CircusClient(endpoint=run_dir.endpoint, timeout=CALL_TIMEOUT_S)
    try:
        while True:
            answer: Any = client.send_message(command, **properties)
            if answer.get("status") == "ok":
                return
            # Circus does one thing at a time and refuses the next meanwhile.
            if "already running" not in str(answer.get("reason")) or time.monotonic() > deadline:
                raise SupervisorError(f"circus refuses {command!r}: {answer.get('reason')}")
            time.sleep(_POLL_S)
    except CallError as error:
        raise SupervisorError(
            f"circus does not answer {command!r}: {error}; see {run_dir.log_file('circusd')}"
        ) from error
    finally:
        client.stop()
