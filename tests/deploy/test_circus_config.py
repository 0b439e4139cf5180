"""The supervisor's configuration, read back by circus' own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from circus.config import get_config

from tests.deploy.states import a_state
from trunkline.deploy.circus_config import KILL_AFTER_S, circus_config, stop_limit_s
from trunkline.deploy.circus_hooks import redis_answers
from trunkline.deploy.rundir import RunDir

INTERFACE = ["python", "-m", "trunkline.deploy", "interface", "--static=/=a folder/x"]
WORKER = ["python", "-m", "trunkline.deploy", "worker", "chat.routing"]


def read(folder: Path, redis: list[str] | None = None, prometheus: list[str] | None = None) -> dict[str, Any]:
    run_dir = RunDir(folder)
    run_dir.make()
    state = a_state(interfaces=3, workers=4, drain_s=7.0)
    run_dir.config_file.write_text(circus_config(run_dir, state, INTERFACE, WORKER, redis, prometheus))
    config: dict[str, Any] = get_config(str(run_dir.config_file))
    return config | {"watchers": {watcher["name"]: watcher for watcher in config["watchers"]}}


def test_each_role_has_its_number_of_processes(tmp_path: Path) -> None:
    watchers = read(tmp_path)["watchers"]
    assert {name: watcher["numprocesses"] for name, watcher in watchers.items()} == {
        "interface": 3,
        "worker": 4,
        "canary": 0,
    }


def test_a_path_with_a_space_stays_one_argument(tmp_path: Path) -> None:
    assert "'--static=/=a folder/x'" in read(tmp_path)["watchers"]["interface"]["cmd"]


def test_nothing_is_announced_to_the_network(tmp_path: Path) -> None:
    config = read(tmp_path)
    assert config["multicast_endpoint"] == ""
    assert config["endpoint"].startswith("ipc://")
    assert config["pubsub_endpoint"].startswith("ipc://")


def test_a_process_has_its_drain_before_it_is_killed(tmp_path: Path) -> None:
    watchers = read(tmp_path, ["redis-server", "redis.conf"])["watchers"]
    graceful_s = {name: watcher["graceful_timeout"] for name, watcher in watchers.items()}
    assert graceful_s["interface"] == 7.0 + KILL_AFTER_S
    assert graceful_s["interface"] < graceful_s["worker"] < graceful_s["redis"]
    assert graceful_s["redis"] < stop_limit_s(a_state().drain_s)


def test_redis_starts_first_and_the_others_wait_for_its_answer(tmp_path: Path) -> None:
    watchers = read(tmp_path, ["redis-server", "redis.conf"])["watchers"]
    assert max(watchers.values(), key=lambda watcher: int(watcher["priority"]))["name"] == "redis"
    assert watchers["redis"]["hooks"]["after_start"][0].endswith(redis_answers.__name__)


def test_prometheus_starts_last_and_nobody_waits_for_it_to_stop(tmp_path: Path) -> None:
    watchers = read(tmp_path, ["redis-server", "redis.conf"], ["prometheus", "--config.file=a b"])["watchers"]
    assert min(watchers.values(), key=lambda watcher: int(watcher["priority"]))["name"] == "prometheus"
    watcher = watchers["prometheus"]
    assert "'--config.file=a b'" in watcher["cmd"]
    assert watcher["numprocesses"] == 1
    assert set(watchers["worker"]["hooks"]) - set(watcher["hooks"]) == {"before_signal"}


@pytest.mark.parametrize("role", ["interface", "worker"])
def test_logs_of_a_role_go_to_its_own_file_and_are_rotated(tmp_path: Path, role: str) -> None:
    watcher = read(tmp_path)["watchers"][role]
    for stream in ("stdout_stream", "stderr_stream"):
        assert watcher[stream]["filename"] == str(RunDir(tmp_path).log_file(role))
        assert int(watcher[stream]["backup_count"]) > 0
