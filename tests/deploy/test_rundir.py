"""What one cluster leaves on disk."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.deploy.states import a_state
from trunkline.deploy import rundir
from trunkline.deploy.rundir import MAX_SOCKET_PATH_BYTES, Exit, RunDir
from trunkline.protocol.errors import ConfigError


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    made = RunDir(tmp_path / ".run")
    made.make()
    return made


def test_what_was_saved_is_loaded_again(run_dir: RunDir) -> None:
    run_dir.save(a_state(port=12345))
    assert run_dir.load() == a_state(port=12345)


def test_no_state_is_no_cluster(run_dir: RunDir) -> None:
    assert run_dir.load() is None


@pytest.mark.parametrize("text", ["", "[]", '{"cluster": "x"}', '{"unknown": 1}'])
def test_a_state_of_another_kind_is_refused_by_name(run_dir: RunDir, text: str) -> None:
    run_dir.state_file.write_text(text)
    with pytest.raises(ConfigError, match=r"state\.json cannot be read"):
        run_dir.load()


def test_only_its_owner_may_read_it(run_dir: RunDir) -> None:
    run_dir.save(a_state())
    assert run_dir.path.stat().st_mode & 0o077 == 0
    assert run_dir.state_file.stat().st_mode & 0o077 == 0


def test_a_run_directory_that_cannot_be_made_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--run-dir"):
        RunDir(tmp_path / "file" / ".run").make()


def test_a_run_directory_of_somebody_else_is_refused(
    run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    somebody_else = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: somebody_else)
    with pytest.raises(ConfigError, match="belongs to user"):
        run_dir.make()


def test_sockets_move_to_a_short_directory_when_their_path_would_be_too_long(tmp_path: Path) -> None:
    deep = RunDir(tmp_path / ("d" * MAX_SOCKET_PATH_BYTES))
    other = RunDir(tmp_path / ("e" * MAX_SOCKET_PATH_BYTES))
    deep.make()
    try:
        assert len(os.fsencode(deep.redis_socket)) < MAX_SOCKET_PATH_BYTES
        assert deep.sockets != other.sockets
        assert deep.sockets.stat().st_mode & 0o077 == 0
    finally:
        deep.forget()
    assert not deep.sockets.exists()


def test_forgetting_keeps_logs_and_data(run_dir: RunDir) -> None:
    run_dir.save(a_state())
    run_dir.log_file("worker").write_text("a line")
    (run_dir.redis / "appendonly.aof").write_text("data")
    (run_dir.retiring / "42").touch()
    run_dir.forget()
    assert run_dir.load() is None
    assert run_dir.log_file("worker").exists()
    assert (run_dir.redis / "appendonly.aof").exists()
    assert not run_dir.retiring.exists()
    run_dir.forget()  # there may be nothing left to forget


def test_exits_are_kept_in_order_up_to_a_bound(run_dir: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rundir, "MAX_EXITS", 2)
    assert run_dir.exits() == []
    for pid in (1, 2, 3):
        run_dir.add_exit(Exit(1.0, "worker", pid, -9, 0.5, "again"))
    assert [ended.pid for ended in run_dir.exits()] == [2, 3]


def test_a_second_command_waits_for_the_first(run_dir: RunDir) -> None:
    order: list[str] = []
    waits = threading.Event()

    def on_wait() -> None:
        order.append("waits")
        waits.set()

    def second() -> None:
        with run_dir.lock(on_wait):
            order.append("second")

    with run_dir.lock(lambda: order.append("never")):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(5)
        order.append("first")
    thread.join(5)
    assert order == ["waits", "first", "second"]


def test_scaling_changes_what_counts_as_the_same_cluster() -> None:
    scaled = a_state().scaled(interfaces=3, workers=5)
    assert (scaled.wanted("interface"), scaled.wanted("worker"), scaled.wanted("redis")) == (3, 5, 1)
    assert scaled.asked["workers"] == 5


def test_while_a_process_takes_the_place_of_another_there_is_one_more() -> None:
    state = a_state()
    more = state.with_one_more("interface").with_one_more("worker")
    assert (more.wanted("interface"), more.wanted("worker"), more.wanted("canary")) == (3, 3, 0)
    assert more.asked == state.asked, "it is not what anybody asked for"


def test_what_was_wanted_for_a_moment_is_told_from_what_was_asked() -> None:
    asked = a_state().scaled(interfaces=3, workers=5)
    assert asked.with_one_more("worker").with_one_more("interface").as_asked() == asked


def test_a_cluster_has_a_prometheus_where_it_was_asked_for() -> None:
    assert a_state().wanted("prometheus") == 0
    assert a_state(prometheus="http://127.0.0.1:9090/").wanted("prometheus") == 1
