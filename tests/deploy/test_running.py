"""What can be done with a cluster that runs: a second ``up``, ``scale``, ``status``, ``logs``, ``worker``, ``down``."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.commands import ROOT, TRUNKLINE, Done, command, environment, up_of_one
from tests.support.waiting import until
from trunkline.deploy import supervisor
from trunkline.deploy.rundir import ClusterState, RunDir
from trunkline.protocol.exit_codes import ExitCode

pytestmark = pytest.mark.timeout(180)

ECHO = "examples.echo.routing"


@dataclass(frozen=True, slots=True)
class Running:
    """The cluster these tests share; each asks `scale` for the numbers it needs."""

    folder: Path
    started: Done

    def do(self, verb: str, *arguments: str) -> Done:
        return command(verb, *arguments, "--run-dir", self.folder)

    def state(self) -> ClusterState:
        state = RunDir(self.folder).load()
        assert state is not None
        return state

    def pids(self, role: str) -> set[int]:
        return {member.pid for member in supervisor.members(self.state().cluster) if member.role == role}

    def scale(self, interfaces: int, workers: int) -> None:
        done = self.do("scale", "--interfaces", str(interfaces), "--workers", str(workers))
        assert done.code == ExitCode.OK, done.err


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("up") / ".run"
    started = command("up", ECHO, "--port", "0", "--run-dir", folder, "--drain-s", "5")
    try:
        assert started.code == ExitCode.OK, started.err
        yield Running(folder, started)
    finally:
        command("down", "--run-dir", folder)


async def echoes(state: ClusterState, times: int = 1) -> None:
    async with aiohttp.ClientSession() as session:
        for number in range(times):
            async with session.ws_connect(f"http://127.0.0.1:{state.port}/") as connection:
                await connection.send_str(f"hello {number}")
                assert await connection.receive_str(timeout=10) == f"hello {number}"


async def test_up_returns_when_the_cluster_works_and_says_where_to_look(cluster: Running) -> None:
    out = cluster.started.out
    assert f"http://127.0.0.1:{cluster.state().port}/" in out
    assert str(RunDir(cluster.folder).log_file("worker")) in out
    metrics = re.findall(r"http://\S+/metrics", out)
    assert len(metrics) == 2
    await echoes(cluster.state(), times=4)


def test_a_second_up_with_the_same_settings_says_what_runs(cluster: Running) -> None:
    cluster.scale(2, 2)
    again = cluster.do("up", ECHO, "--port", "0", "--drain-s", "5")
    assert again.code == ExitCode.OK
    assert f"already running: {ECHO}" in again.out


def test_a_second_up_takes_nothing_of_a_scale_back_and_complains_of_nothing_that_was_not_asked(
    cluster: Running,
) -> None:
    cluster.scale(2, 3)
    again = cluster.do("up", ECHO)
    assert (again.code, again.err) == (ExitCode.OK, "")
    assert "2 interface servers, 3 workers" in again.out


@pytest.mark.parametrize(
    ("flags", "complaint", "remedy"),
    [
        (["--workers", "3"], "workers is '2', you asked for '3'", "'trunkline scale' first"),
        (["--prefix", "other"], "prefix is 'trunkline', you asked for 'other'", "'trunkline down' first"),
    ],
)
def test_a_second_up_with_other_settings_says_what_differs(
    cluster: Running, flags: list[str], complaint: str, remedy: str
) -> None:
    cluster.scale(2, 2)
    again = cluster.do("up", ECHO, "--port", "0", "--drain-s", "5", *flags)
    assert again.code == ExitCode.ALREADY_RUNNING
    assert complaint in again.err
    assert remedy in again.err


async def test_scaling_does_not_touch_the_processes_that_stay(cluster: Running) -> None:
    cluster.scale(2, 2)
    before = {role: cluster.pids(role) for role in ("interface", "worker", "redis")}
    cluster.scale(3, 4)
    more = {role: cluster.pids(role) for role in before}
    assert {role: len(pids) for role, pids in more.items()} == {"interface": 3, "worker": 4, "redis": 1}
    assert all(before[role] <= more[role] for role in before)
    await echoes(cluster.state(), times=6)
    cluster.scale(2, 1)
    fewer = {role: cluster.pids(role) for role in before}
    assert fewer["interface"] == before["interface"]
    assert fewer["worker"] < before["worker"]
    assert RunDir(cluster.folder).exits() == [], "a process that was sent home counts as no crash"
    await echoes(cluster.state())


async def test_a_worker_that_is_killed_is_replaced_and_status_tells(cluster: Running) -> None:
    cluster.scale(2, 2)
    victim = min(cluster.pids("worker"))
    os.kill(victim, signal.SIGKILL)
    await until(
        lambda: victim not in cluster.pids("worker") and len(cluster.pids("worker")) == 2, within_s=20
    )

    def healthy() -> dict[str, Any] | None:
        done = cluster.do("status", "--json", "--interval-s", "0.1")
        return json.loads(done.out) if done.code == ExitCode.OK else None

    report = await until(healthy, within_s=30)
    assert report is not None
    assert [ended["exit_code"] for ended in report["exits"] if ended["pid"] == victim] == [-signal.SIGKILL]
    RunDir(cluster.folder).exits_file.unlink()
    await echoes(cluster.state())


def test_status_shows_every_process_channel_and_redis(cluster: Running) -> None:
    cluster.scale(2, 2)
    report = json.loads(cluster.do("status", "--json", "--interval-s", "0.1").out)
    roles = sorted(process["role"] for process in report["processes"])
    assert roles == ["circusd", "interface", "interface", "redis", "worker", "worker"]
    for process in report["processes"]:
        assert process["pid"] in cluster.pids(process["role"])
        if process["role"] == "interface":
            assert process["connections"] == 0
            assert process["messages_per_s"] >= 0.0
    assert "websocket.receive" in {channel["channel"] for channel in report["channels"]}
    assert report["redis"]["own"]
    assert report["redis"]["maxmemory_policy"] == "noeviction"
    table = cluster.do("status", "--interval-s", "0.1")
    assert table.code == ExitCode.OK
    assert all(str(process["pid"]) in table.out for process in report["processes"])


def test_logs_tell_the_role_and_the_process_of_each_line(cluster: Running) -> None:
    cluster.scale(2, 2)
    lines = cluster.do("logs", "--lines", "100").out.splitlines()
    for role in ("interface", "worker"):
        pids = {match[1] for line in lines if (match := re.match(rf"{role} +\[(\d+)\] ", line))}
        assert {str(pid) for pid in cluster.pids(role)} <= pids


async def test_one_more_worker_joins_from_a_terminal_and_leaves_again(cluster: Running) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*TRUNKLINE, "worker"),
        cwd=ROOT,
        env={**environment(), "TRUNKLINE_RUN_DIR": str(cluster.folder)},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        assert b"joining the cluster" in await process.stderr.readline()

        async def by_hand() -> bool:
            done = await asyncio.to_thread(cluster.do, "status", "--json", "--interval-s", "0.1")
            rows = [row for row in json.loads(done.out)["processes"] if "state" in row]
            return any(row["pid"] == process.pid and "by hand" in row["state"] for row in rows)

        await until(by_hand, within_s=30)
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode == ExitCode.OK


def test_a_cluster_whose_supervisor_was_killed_is_cleaned_up(tmp_path: Path) -> None:
    up = up_of_one(ECHO, tmp_path / ".run")
    assert command(*up).code == ExitCode.OK
    state = RunDir(tmp_path / ".run").load()
    assert state is not None
    members = supervisor.members(state.cluster)
    (circusd,) = [member.pid for member in members if member.role == "circusd"]
    os.kill(circusd, signal.SIGKILL)
    try:
        status = command("status", "--run-dir", tmp_path / ".run", "--interval-s", "0.1")
        assert status.code == ExitCode.FAILED
        assert "NOT HEALTHY" in status.out
    finally:
        down = command("down", "--run-dir", tmp_path / ".run")
    assert down.code == ExitCode.OK, down.err
    assert supervisor.alive(member.pid for member in members) == []


def test_down_leaves_no_process_and_no_socket(tmp_path: Path) -> None:
    folder = tmp_path / ".run"
    up = up_of_one(ECHO, folder)
    assert command(*up).code == ExitCode.OK
    state = RunDir(folder).load()
    assert state is not None
    members = supervisor.members(state.cluster)
    assert {member.role for member in members} == {"circusd", "interface", "worker", "redis"}
    assert command("down", "--run-dir", folder).code == ExitCode.OK
    assert supervisor.alive(member.pid for member in members) == []
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "log", "redis"]
    assert command("down", "--run-dir", folder).out == "nothing is running\n"


@pytest.mark.parametrize("verb", [["status"], ["scale", "--workers", "3"]])
def test_a_verb_that_needs_a_cluster_says_how_to_start_one(tmp_path: Path, verb: list[str]) -> None:
    done = command(*verb, "--run-dir", tmp_path / ".run")
    assert done.code == ExitCode.NOT_RUNNING
    assert "trunkline up" in done.err
    assert not (tmp_path / ".run").exists()


def test_scaling_with_a_routing_that_was_broken_meanwhile_names_the_new_worker_and_spares_the_old(
    tmp_path: Path,
) -> None:
    module = tmp_path / "breaks.py"
    module.write_text("from examples.echo.routing import channel_routing\n")
    environ, folder = {"PYTHONPATH": str(ROOT)}, tmp_path / ".run"
    up = command(*up_of_one("breaks", folder), cwd=tmp_path, environ=environ)
    assert up.code == ExitCode.OK, up.err
    try:
        module.write_text("channel_routing = [\n")
        broken = command("scale", "--workers", "2", "--run-dir", folder)
        assert broken.code == ExitCode.FAILED
        assert "ended with exit code 3 (ROUTING)" in broken.err
        module.write_text("from examples.echo.routing import channel_routing\n")
        assert command("scale", "--workers", "2", "--run-dir", folder).code == ExitCode.OK
    finally:
        assert command("down", "--run-dir", folder).code == ExitCode.OK
