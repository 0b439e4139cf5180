"""What circus asks while it supervises. The fakes have circus' names; the real one is met once here, and by test_up."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import circus.watcher
import pytest
import redis
from circus.exc import ConflictError

from tests.deploy.states import a_state
from tests.support.waiting import until
from trunkline.deploy import circus_hooks
from trunkline.deploy.redis_server import find_binary, redis_conf
from trunkline.deploy.rundir import RunDir
from trunkline.protocol.exit_codes import ExitCode


class Loop:
    def __init__(self) -> None:
        self.later: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []

    def call_later(self, delay_s: float, function: Callable[..., None], *arguments: Any) -> None:
        self.later.append((delay_s, function, arguments))

    def run_all(self) -> None:
        later, self.later = self.later, []
        for _, function, arguments in later:
            function(*arguments)


class Watcher:
    def __init__(self, name: str, numprocesses: int) -> None:
        self.name = name
        self.numprocesses = numprocesses
        self.loop = Loop()
        self.stopping = False
        self.signalled: list[tuple[int, int]] = []
        self.processes: dict[int, Any] = {
            pid: SimpleNamespace(started=0.0, is_alive=lambda: True) for pid in range(1, numprocesses + 1)
        }

    def is_stopping(self) -> bool:
        return self.stopping

    def is_stopped(self) -> bool:
        return False

    def send_signal(self, pid: int, signum: int) -> None:
        self.signalled.append((pid, signum))


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    made = RunDir(tmp_path)
    made.make()
    made.save(a_state(workers=2))
    return made


@pytest.fixture
def worker() -> Watcher:
    return Watcher("worker", 2)


@pytest.fixture
def arbiter(run_dir: RunDir, worker: Watcher, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(circus_hooks, "_restarts", {})
    monkeypatch.setattr(circus_hooks, "_present", {})
    return SimpleNamespace(config_file=str(run_dir.config_file), watchers=[worker])


def dies(worker: Watcher, arbiter: Any, pid: int, exit_code: int, lived_s: float, monkeypatch: Any) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    worker.processes[pid] = SimpleNamespace(started=1000.0 - lived_s)
    circus_hooks.before_reap(worker, arbiter, "before_reap", process_pid=pid)
    del worker.processes[pid]
    circus_hooks.after_reap(worker, arbiter, "after_reap", process_pid=pid, exit_code=exit_code)


def test_a_crash_is_noted_and_replaced_at_once(
    worker: Watcher, arbiter: Any, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies(worker, arbiter, 1, -9, 60.0, monkeypatch)
    (ended,) = run_dir.exits()
    assert (ended.role, ended.pid, ended.exit_code, ended.lived_s) == ("worker", 1, -9, 60.0)
    assert worker.numprocesses == 2


def test_a_process_that_dies_young_again_is_held_back_alone_and_comes_back(
    worker: Watcher, arbiter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        dies(worker, arbiter, 1, 1, 0.1, monkeypatch)
    assert worker.numprocesses == 1
    worker.loop.run_all()
    assert worker.numprocesses == 2


def test_scaling_down_meanwhile_is_not_undone_by_one_that_comes_back(
    worker: Watcher, arbiter: Any, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        dies(worker, arbiter, 1, 1, 0.1, monkeypatch)
    run_dir.save(a_state(workers=1))
    worker.loop.run_all()
    assert worker.numprocesses == 1


def test_one_that_comes_back_after_down_changes_nothing(
    worker: Watcher, arbiter: Any, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        dies(worker, arbiter, 1, 1, 0.1, monkeypatch)
    run_dir.forget()
    worker.loop.run_all()
    assert worker.numprocesses == 1


def test_a_routing_with_mistakes_is_not_tried_again(
    worker: Watcher, arbiter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies(worker, arbiter, 1, ExitCode.ROUTING, 60.0, monkeypatch)
    assert worker.numprocesses == 1
    assert worker.loop.later == []


def test_a_process_that_was_sent_home_is_no_crash_and_not_replaced(
    worker: Watcher, arbiter: Any, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run_dir.retiring / "1").touch()
    dies(worker, arbiter, 1, 0, 60.0, monkeypatch)
    assert worker.numprocesses == 1
    assert run_dir.exits() == []
    assert not (run_dir.retiring / "1").exists()


def spawned(watcher: Watcher, arbiter: Any, pid: int) -> None:
    watcher.processes[pid] = SimpleNamespace(started=time.time(), is_alive=lambda: True)
    assert circus_hooks.after_spawn(watcher, arbiter, "after_spawn", pid=pid)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that a successor may be told to end."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def zombie(exit_code: int) -> int:
    """A child that has ended and that nobody waited for."""
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {exit_code}"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def test_one_that_was_sent_home_and_dropped_unreaped_is_not_replaced_for_long(
    worker: Watcher, arbiter: Any, run_dir: RunDir, child: subprocess.Popen[bytes]
) -> None:
    dropped = zombie(0)
    spawned(worker, arbiter, dropped)
    (run_dir.retiring / str(dropped)).touch()
    run_dir.save(a_state(workers=1))

    del worker.processes[dropped]
    spawned(worker, arbiter, child.pid)

    assert child.wait(10) == -signal.SIGTERM
    assert [note.name for note in run_dir.retiring.iterdir()] == [str(child.pid)]
    circus_hooks.before_reap(worker, arbiter, "before_reap", process_pid=child.pid)
    circus_hooks.after_reap(worker, arbiter, "after_reap", process_pid=child.pid, exit_code=-15)
    assert worker.numprocesses == 1
    assert run_dir.exits() == []


@pytest.fixture
async def real_worker(run_dir: RunDir) -> AsyncIterator[Any]:
    """Circus' own watcher with two processes."""
    hooks = {name: (function, False) for name, function in circus_hooks.HOOKS.items()}
    watcher: Any = circus.watcher.Watcher("worker", "sleep 60", numprocesses=2, hooks=hooks)
    watcher.arbiter = SimpleNamespace(
        config_file=str(run_dir.config_file), watchers=[watcher], socket_event=None
    )
    watcher.notify_event = lambda *_: None
    await watcher._start()
    yield watcher
    for process in watcher.processes.values():
        process._worker.kill()
        process._worker.wait()
    del watcher, process
    gc.collect()


# Circus does not wait for what it drops.
@pytest.mark.filterwarnings(r"ignore:subprocess \d+ is still running:ResourceWarning")
async def test_circus_drops_what_ends_between_its_looks_and_keeps_no_successor_of_it(
    real_worker: Any, run_dir: RunDir
) -> None:
    run_dir.save(a_state(workers=1))
    stays, leaves = real_worker.processes
    (run_dir.retiring / str(leaves)).touch()
    os.kill(leaves, signal.SIGTERM)
    await asyncio.to_thread(os.waitid, os.P_PID, leaves, os.WEXITED | os.WNOWAIT)

    await real_worker.manage_processes()  # without `Arbiter.reap_processes` before it

    (successor,) = real_worker.processes.keys() - {stays}
    _, status = await asyncio.to_thread(os.waitpid, successor, 0)
    real_worker.reap_process(successor, status)
    await real_worker.manage_processes()
    assert list(real_worker.processes) == [stays]
    assert (run_dir.exits(), list(run_dir.retiring.iterdir())) == ([], [])


def test_the_successor_stays_if_more_were_asked_for_meanwhile(
    worker: Watcher, arbiter: Any, run_dir: RunDir, child: subprocess.Popen[bytes]
) -> None:
    dropped = zombie(0)
    spawned(worker, arbiter, dropped)
    (run_dir.retiring / str(dropped)).touch()

    del worker.processes[dropped]
    spawned(worker, arbiter, child.pid)

    assert child.poll() is None
    assert list(run_dir.retiring.iterdir()) == []


def test_a_crash_that_was_dropped_unreaped_is_noted_with_its_exit_code(
    worker: Watcher, arbiter: Any, run_dir: RunDir
) -> None:
    dropped = zombie(7)
    spawned(worker, arbiter, dropped)

    del worker.processes[dropped]
    spawned(worker, arbiter, 99)
    spawned(worker, arbiter, 100)

    assert [(ended.pid, ended.exit_code) for ended in run_dir.exits()] == [(dropped, 7)]
    assert worker.numprocesses == 2


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_nobody_reaps_a_dropped_process_before_it_is_noted(
    worker: Watcher, arbiter: Any, run_dir: RunDir
) -> None:
    """Python reaps a child with the last reference to it."""
    child = subprocess.Popen(["sh", "-c", "exit 7"])
    pid = child.pid
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    worker.processes[pid] = SimpleNamespace(started=time.time(), is_alive=lambda: False, child=child)
    circus_hooks.after_spawn(worker, arbiter, "after_spawn", pid=pid)
    del child

    del worker.processes[pid]
    spawned(worker, arbiter, 99)

    assert [(ended.pid, ended.exit_code) for ended in run_dir.exits()] == [(pid, 7)]


def test_a_process_that_was_reaped_is_not_missed(worker: Watcher, arbiter: Any, run_dir: RunDir) -> None:
    spawned(worker, arbiter, 98)
    circus_hooks.before_reap(worker, arbiter, "before_reap", process_pid=98)
    del worker.processes[98]

    spawned(worker, arbiter, 99)

    assert run_dir.exits() == []


def test_of_a_process_that_somebody_else_waited_for_no_exit_code_is_known(
    worker: Watcher, arbiter: Any, run_dir: RunDir
) -> None:
    dropped = zombie(7)
    os.waitpid(dropped, 0)
    spawned(worker, arbiter, dropped)
    del worker.processes[dropped]

    spawned(worker, arbiter, 99)

    assert [ended.exit_code for ended in run_dir.exits()] == [None]


def test_what_ends_while_all_is_stopped_is_no_crash(
    worker: Watcher, arbiter: Any, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.stopping = True
    dies(worker, arbiter, 1, 0, 60.0, monkeypatch)
    assert run_dir.exits() == []


def signal_goes_out(watcher: Watcher, arbiter: Any) -> bool:
    return circus_hooks.before_signal(watcher, arbiter, "before_signal", pid=1, signum=15)


def test_workers_are_stopped_when_the_interface_servers_have_gone(worker: Watcher, arbiter: Any) -> None:
    interface = Watcher("interface", 1)
    arbiter.watchers.append(interface)
    worker.stopping = interface.stopping = True
    assert signal_goes_out(interface, arbiter)
    assert not signal_goes_out(worker, arbiter)
    interface.processes.clear()
    worker.loop.run_all()
    assert worker.signalled == [(1, 15)]
    assert signal_goes_out(worker, arbiter)


def test_a_signal_that_is_no_part_of_a_stop_goes_out(worker: Watcher, arbiter: Any) -> None:
    arbiter.watchers.append(Watcher("interface", 1))
    assert signal_goes_out(worker, arbiter)


def test_workers_that_are_stopped_alone_do_not_wait(worker: Watcher, arbiter: Any) -> None:
    arbiter.watchers.append(Watcher("interface", 1))
    worker.stopping = True
    assert signal_goes_out(worker, arbiter)


def test_nobody_signals_a_process_that_has_gone_meanwhile(worker: Watcher, arbiter: Any) -> None:
    arbiter.watchers.append(interface := Watcher("interface", 1))
    worker.stopping = interface.stopping = True
    assert not signal_goes_out(worker, arbiter)
    worker.processes.clear()
    worker.loop.run_all()
    assert worker.signalled == []


def test_a_redis_that_ended_is_not_waited_for(arbiter: Any) -> None:
    redis = Watcher("redis", 1)
    redis.processes[1] = SimpleNamespace(is_alive=lambda: False)
    assert not circus_hooks.redis_answers(redis, arbiter, "after_start")


def test_a_socket_that_nobody_listens_on_does_not_answer(tmp_path: Path) -> None:
    assert not circus_hooks.ping(str(tmp_path / "nothing.sock"))


# ---- Redis' append-only file ----


class Redis:
    """A server with the cluster's configuration, as circus would keep it."""

    def __init__(self, run_dir: RunDir) -> None:
        self.run_dir = run_dir
        self.conf = run_dir.redis / "redis.conf"
        self.conf.write_text(redis_conf(run_dir))
        self.process: subprocess.Popen[bytes] | None = None
        self.client = redis.Redis(unix_socket_path=str(run_dir.redis_socket))

    def starts(self) -> subprocess.Popen[bytes]:
        self.process = subprocess.Popen(
            [find_binary().path, str(self.conf)], stdout=subprocess.DEVNULL, start_new_session=True
        )
        return self.process

    def answers(self) -> bool:
        return circus_hooks.ping(str(self.run_dir.redis_socket))

    def is_killed(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def file_bytes(self) -> int:
        return int(self.client.info("persistence")["aof_current_size"])


@pytest.fixture
def append_only(tmp_path: Path) -> Iterator[Redis]:
    run_dir = RunDir(tmp_path)
    run_dir.make()
    server = Redis(run_dir)
    yield server
    server.client.close()
    server.is_killed()
    run_dir.forget()


def supervised(server: Redis) -> Watcher:
    """The watcher of a Redis that it has just spawned."""
    watcher = Watcher("redis", 0)
    process = server.starts()
    watcher.processes[process.pid] = SimpleNamespace(started=0.0, is_alive=lambda: process.poll() is None)
    arbiter = SimpleNamespace(config_file=str(server.run_dir.config_file), watchers=[watcher])
    assert circus_hooks.redis_spawned(watcher, arbiter, "after_spawn", pid=process.pid)
    return watcher


async def test_a_redis_that_starts_makes_its_append_only_file_short(
    append_only: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was written in its life before was gone again, and the file had not grown enough to be rewritten."""
    monkeypatch.setattr(circus_hooks, "_present", {})
    append_only.starts()
    await until(append_only.answers)
    # With everysec a write may still be put off when it is killed.
    append_only.client.config_set("appendfsync", "always")
    for _ in range(100):
        append_only.client.set("key", b"x" * 10_000)
    append_only.is_killed()

    watcher = supervised(append_only)
    await until(append_only.answers)
    assert append_only.file_bytes() > 1_000_000
    watcher.loop.run_all()

    await until(lambda: append_only.file_bytes() < 20_000)
    assert append_only.client.get("key") == b"x" * 10_000
    assert watcher.loop.later == []


def test_a_redis_that_is_not_ready_is_asked_again_and_one_that_is_gone_is_not(
    append_only: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circus_hooks, "_present", {})
    monkeypatch.setattr(circus_hooks, "ping", lambda path, within_s: False)
    watcher = supervised(append_only)
    watcher.loop.run_all()
    assert len(watcher.loop.later) == 1

    append_only.is_killed()
    watcher.loop.run_all()

    assert watcher.loop.later == []


async def test_a_redis_that_does_not_shorten_its_file_is_told_of(
    append_only: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(circus_hooks, "_present", {})
    append_only.conf.write_text(append_only.conf.read_text() + 'rename-command BGREWRITEAOF ""\n')
    watcher = supervised(append_only)
    await until(append_only.answers)

    watcher.loop.run_all()

    assert "does not shorten its append-only file" in caplog.text
    assert watcher.loop.later == []


def test_what_circus_refuses_to_itself_is_not_logged_and_other_errors_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tornado = logging.getLogger("tornado.application")
    for error in (ConflictError("arbiter is already running arbiter_stop command"), OSError("no room")):
        tornado.error("Exception in callback", exc_info=error)
    tornado.error("something else")
    assert [record.exc_info and str(record.exc_info[1]) for record in caplog.records] == ["no room", None]
