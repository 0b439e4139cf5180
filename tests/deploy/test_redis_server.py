"""Where a cluster's Redis comes from."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest

from trunkline.deploy.circus_hooks import ping
from trunkline.deploy.redis_server import (
    check_server,
    configured_url,
    find_binary,
    redis_conf,
    unix_url,
)
from trunkline.deploy.rundir import RunDir
from trunkline.protocol.errors import ConfigError


def a_server(folder: Path, name: str, answer: str) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{answer}'\n")
    file.chmod(0o755)
    return file


def test_a_flag_wins_over_redis_url_of_the_environment() -> None:
    environ = {"REDIS_URL": "redis://environment"}
    assert configured_url("redis://flag", environ) == "redis://flag"
    assert configured_url("", environ) == "redis://environment"
    assert configured_url("", {}) == ""


def test_a_redis_url_of_the_environment_that_is_none_is_told_without_its_password() -> None:
    with pytest.raises(
        ConfigError, match=r"^REDIS_URL: 'http://\*\*\*@host' is not right: expected a URL of redis://"
    ):
        configured_url("", {"REDIS_URL": "http://:secret@host"})


@pytest.mark.parametrize(
    ("name", "answer", "version"),
    [
        ("redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc", "7.0.15"),
        ("valkey-server", "Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc", "8.1.1"),
    ],
)
def test_a_server_on_the_path_is_taken(tmp_path: Path, name: str, answer: str, version: str) -> None:
    file = a_server(tmp_path, name, answer)
    found = find_binary(f"{tmp_path}:/usr/bin:/bin", embedded=False)
    assert (found.path, found.version) == (str(file), version)


def test_one_that_is_too_old_is_passed_over_for_the_next(tmp_path: Path) -> None:
    a_server(tmp_path, "redis-server", "Redis server v=6.0.16 sha=0")
    valkey = a_server(tmp_path, "valkey-server", "Valkey server v=7.2.4 sha=0")
    assert find_binary(str(tmp_path), embedded=False).path == str(valkey)


def test_where_none_works_the_error_says_what_was_found_and_what_to_install(tmp_path: Path) -> None:
    a_server(tmp_path, "redis-server", "Redis server v=5.0.3 sha=0")
    a_server(tmp_path, "valkey-server", "cannot open shared object file")
    with pytest.raises(ConfigError) as refused:
        find_binary(str(tmp_path), embedded=False)
    text = str(refused.value)
    for part in (
        "is version 5.0.3",
        "does not start",
        "apt-get install",
        "REDIS_URL=",
        "trunkline[embedded]",
    ):
        assert part in text


def test_where_there_is_none_at_all_the_error_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none on PATH .*apt-get install redis-server"):
        find_binary(str(tmp_path), embedded=False)


def test_a_file_that_cannot_be_run_is_no_server(tmp_path: Path) -> None:
    file = tmp_path / "redis-server"
    file.write_text("no program")
    file.chmod(0o755)
    with pytest.raises(ConfigError, match="does not start"):
        find_binary(str(tmp_path), embedded=False)


def test_without_the_wheel_only_the_path_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="none in this environment"):
        find_binary(str(tmp_path))


def test_the_found_server_runs_with_our_configuration_on_a_unix_socket_alone(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path / "a folder")
    run_dir.make()
    conf = run_dir.redis / "redis.conf"
    conf.write_text(redis_conf(run_dir))
    process = subprocess.Popen([find_binary().path, str(conf)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        log = ""
        while "ready to accept connections" not in log:
            line = process.stdout.readline()
            assert line, f"redis-server ended: {log}"
            log += line
        assert ping(str(run_dir.redis_socket))
        assert "port=0" in log
    finally:
        process.terminate()
        process.communicate(timeout=10)
        run_dir.forget()


def test_its_url_can_be_read_back_whatever_the_path() -> None:
    assert unix_url(RunDir(Path("/nowhere/a b"))) == "unix:///nowhere/a%20b/redis.sock"


@pytest.mark.parametrize("version", ["6.2.0", "7.2.4", "8.0.0", ""])
def test_a_redis_that_is_new_enough_and_keeps_everything_is_fine(version: str) -> None:
    assert check_server({"redis_version": version, "maxmemory_policy": "noeviction"}, "redis://x") is None


def test_a_redis_that_evicts_is_warned_about() -> None:
    warning = check_server({"redis_version": "7.2.4", "maxmemory_policy": "allkeys-lru"}, "redis://x")
    assert warning is not None
    assert "allkeys-lru" in warning
    assert "noeviction" in warning


def test_a_redis_that_is_too_old_is_refused_with_both_versions() -> None:
    with pytest.raises(ConfigError, match=r"version 6\.0\.16; 6\.2 or newer"):
        check_server({"redis_version": "6.0.16"}, "redis://x")
