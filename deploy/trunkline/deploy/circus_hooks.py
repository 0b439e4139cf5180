"""What circus asks us while it supervises; this module runs inside circusd.

Circus starts what is missing, rotates logs and stops processes gracefully. Three decisions it leaves to hooks
(https://circus.readthedocs.io/en/latest/for-ops/configuration/): whether Redis is ready for the others, what becomes
of a process that died, and the order of a stop.

A process that ends just after circus has reaped and just before it counts is dropped from its books without a word
(`Watcher.manage_processes` removes zombies) and replaced. So we keep books too, and close them over it when its
successor is there.

Circus brings a watcher to ``numprocesses`` whenever that differs, so holding one process back is lowering that number
by one and raising it later. Stopping a watcher, circus' own answer to flapping, would stop its healthy processes too.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from circus import logger
from circus.exc import ConflictError

from .restarts import Again, Restarts
from .rundir import STOP_ORDER, Exit, RunDir

REDIS_START_S = 60.0
"""An append-only file of gigabytes takes this long to load; longer, and something is wrong."""

_POLL_S = 0.1
_restarts: dict[str, Restarts] = {}
_started_s: dict[int, float] = {}
_present: dict[str, dict[int, Any]] = {}
"""By watcher: the processes that it started and that were not reaped. They are kept for one that circus drops unreaped:
with its last reference Python would reap it, and nobody could ask for its exit code any more."""


def _worth_telling(record: logging.LogRecord) -> bool:
    """Whether tornado has to log an error of a callback.

    Every second circus looks after its processes, and while it stops or changes them it refuses that to itself by an
    error: several tracebacks in each ``down``, of which nobody can tell that they mean nothing.
    """
    return record.exc_info is None or not isinstance(record.exc_info[1], ConflictError)


logging.getLogger("tornado.application").addFilter(_worth_telling)


def redis_answers(watcher: Any, arbiter: Any, hook_name: str) -> bool:
    """``after_start`` of Redis: waits for it, so that the processes that need it start when it answers."""
    path = str(_run_dir(arbiter).redis_socket)
    deadline = time.monotonic() + REDIS_START_S
    while time.monotonic() < deadline and any(process.is_alive() for process in watcher.processes.values()):
        if ping(path):
            return True
        time.sleep(_POLL_S)
    logger.error("redis does not answer on %s", path)
    return False


def redis_spawned(watcher: Any, arbiter: Any, hook_name: str, pid: int, **more: Any) -> bool:
    """``after_spawn`` of Redis: as of every watcher, and its append-only file is made short as soon as it is loaded.

    Redis rewrites the file when it has doubled since the last rewrite, or since the start: one that is killed before
    that begins with the longer file, and from kill to kill it grows and takes longer to load.
    """
    watcher.loop.call_later(_POLL_S, _shorten_file, watcher, pid, str(_run_dir(arbiter).redis_socket))
    return after_spawn(watcher, arbiter, hook_name, pid, **more)


def _shorten_file(watcher: Any, pid: int, path: str) -> None:
    process = watcher.processes.get(pid)
    if process is None or not process.is_alive():
        return
    # Shortly: this is circus' own loop, and a Redis that is stopped must not hold it up.
    if not ping(path, _POLL_S):
        watcher.loop.call_later(_POLL_S, _shorten_file, watcher, pid, path)
        return
    answer = _ask(path, b"BGREWRITEAOF\r\n")
    if not answer.startswith(b"+"):
        logger.warning("redis does not shorten its append-only file: %s", answer.decode("utf-8", "replace"))


def ping(path: str, within_s: float = 1.0) -> bool:
    """Whether a Redis on this Unix socket answers, and not with ``-LOADING``."""
    return _ask(path, b"PING\r\n", within_s) == b"+PONG\r\n"


def _ask(path: str, command: bytes, within_s: float = 1.0) -> bytes:
    """The first line of the answer; nothing if there is none."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(within_s)
        try:
            connection.connect(path)
            connection.sendall(command)
            with connection.makefile("rb") as answers:
                return answers.readline(200)
        except OSError:
            return b""


def before_reap(watcher: Any, arbiter: Any, hook_name: str, process_pid: int, **_: Any) -> bool:
    """Keeps when a process started: `after_reap` no longer sees it."""
    _started_s[process_pid] = watcher.processes[process_pid].started
    _present.get(watcher.name, {}).pop(process_pid, None)
    return True


def after_spawn(watcher: Any, arbiter: Any, hook_name: str, pid: int, **_: Any) -> bool:
    """Does what `after_reap` could not about a process that was dropped unreaped, and that this one succeeds."""
    present = _present.setdefault(watcher.name, {})
    present[pid] = watcher.processes[pid]
    dropped = next((known for known in present if known not in watcher.processes), None)
    if dropped is not None:
        run_dir = _run_dir(arbiter)
        lived_s = max(0.0, time.time() - present[dropped].started)
        exit_code = _wait(dropped)
        del present[dropped]
        if not _was_sent_home(run_dir, dropped):
            # Its successor is there already: a hold can only be the next one's.
            _note_death(watcher, run_dir, dropped, exit_code, lived_s)
        elif _exceeds(watcher, run_dir):
            (run_dir.retiring / str(pid)).touch()
            os.kill(pid, signal.SIGTERM)
    return True


def _wait(pid: int) -> int | None:
    """The exit code of a child that nobody waited for; None if somebody did."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if found else None


def _exceeds(watcher: Any, run_dir: RunDir) -> bool:
    """Whether circus would keep more than are wanted; not if somebody has scaled up meanwhile."""
    state = run_dir.load()
    return state is not None and watcher.numprocesses > state.wanted(watcher.name)


def _was_sent_home(run_dir: RunDir, pid: int) -> bool:
    """Whether `scale` has asked it to end; forgets that it did."""
    note = run_dir.retiring / str(pid)
    asked = note.exists()
    note.unlink(missing_ok=True)
    return asked


def _note_death(watcher: Any, run_dir: RunDir, pid: int, exit_code: int | None, lived_s: float) -> Again:
    again = _restarts.setdefault(watcher.name, Restarts()).died(lived_s, exit_code)
    run_dir.add_exit(Exit(time.time(), watcher.name, pid, exit_code, round(lived_s, 1), str(again)))
    logger.warning("%s [%d] ended with %s after %.1f s: %s", watcher.name, pid, exit_code, lived_s, again)
    return again


def after_reap(
    watcher: Any, arbiter: Any, hook_name: str, process_pid: int, exit_code: int | None, **_: Any
) -> bool:
    """Decides what becomes of a process that ended."""
    now_s = time.time()
    lived_s = max(0.0, now_s - _started_s.pop(process_pid, now_s))
    if watcher.is_stopping() or watcher.is_stopped():
        return True
    run_dir = _run_dir(arbiter)
    if _was_sent_home(run_dir, process_pid):
        watcher.numprocesses = max(0, watcher.numprocesses - 1)
        return True
    again = _note_death(watcher, run_dir, process_pid, exit_code, lived_s)
    if again.delay_s != 0.0:
        watcher.numprocesses = max(0, watcher.numprocesses - 1)
    if again.delay_s:
        watcher.loop.call_later(again.delay_s, _give_back, watcher, run_dir)
    return True


def _give_back(watcher: Any, run_dir: RunDir) -> None:
    """Ends a hold. Somebody may have scaled meanwhile: the number that is wanted is never exceeded."""
    state = run_dir.load()
    if state is not None:
        watcher.numprocesses = min(watcher.numprocesses + 1, state.wanted(watcher.name))


def before_signal(watcher: Any, arbiter: Any, hook_name: str, pid: int, signum: int) -> bool:
    """Holds a stop signal back while processes that are to stop earlier still run; asks again a moment later.

    Circus signals all watchers at once when it quits. It does not signal again, so the hook does; a process that
    waits longer than its watcher's ``graceful_timeout`` is killed as ever.
    """
    if not watcher.is_stopping():
        return True
    for name in STOP_ORDER[: STOP_ORDER.index(watcher.name)]:
        earlier = _watcher(arbiter, name)
        if earlier is not None and earlier.is_stopping() and _alive(earlier):
            watcher.loop.call_later(_POLL_S, _signal_again, watcher, pid, signum)
            return False
    return True


def _signal_again(watcher: Any, pid: int, signum: int) -> None:
    process = watcher.processes.get(pid)
    if process is not None and process.is_alive():
        watcher.send_signal(pid, signum)


def _alive(watcher: Any) -> bool:
    return any(process.is_alive() for process in list(watcher.processes.values()))


def _watcher(arbiter: Any, name: str) -> Any:
    return next((watcher for watcher in arbiter.watchers if watcher.name == name), None)


def _run_dir(arbiter: Any) -> RunDir:
    return RunDir(Path(os.path.dirname(arbiter.config_file)))


Hook = Callable[..., bool]

HOOKS: dict[str, Hook] = {
    "before_reap": before_reap,
    "after_reap": after_reap,
    "after_spawn": after_spawn,
    "before_signal": before_signal,
}
"""What every watcher is given; Redis has `redis_answers` besides, and `redis_spawned` instead of `after_spawn`."""
