"""``trunkline up``: what it says, and what it leaves behind, where a cluster cannot start."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.deploy.states import a_state
from tests.support.commands import ROOT, TRUNKLINE, command, environment, up_of_one
from tests.support.waiting import until
from trunkline.deploy import supervisor, up
from trunkline.deploy.rundir import ClusterState, RunDir
from trunkline.deploy.settings import UpSettings
from trunkline.protocol.exit_codes import ExitCode

pytestmark = pytest.mark.timeout(180)

ECHO = "examples.echo.routing"


def leaves_nothing(folder: Path) -> bool:
    return not folder.exists() or {path.name for path in folder.iterdir()} <= {
        "lock",
        "log",
        "redis",
        "releases",
        "retiring",
    }


def test_a_process_that_cannot_start_is_named_with_its_last_log_lines(tmp_path: Path) -> None:
    # It loads where `up` looks at it, and not in the worker: only there does the mark stand in the environment.
    (tmp_path / "fails.py").write_text(
        "import os\n"
        "from examples.echo.routing import channel_routing\n"
        f"if {supervisor.MARK!r} in os.environ:\n"
        "    raise RuntimeError('no such database')\n"
    )
    folder = tmp_path / ".run"
    environ = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    done = command("up", "fails", "--port", "0", "--run-dir", folder, cwd=tmp_path, environ=environ)
    assert done.code == ExitCode.FAILED
    named = re.search(r"worker \[(\d+)\] ended with exit code 3 \(ROUTING\)", done.err)
    assert named is not None, done.err
    assert f"[{named[1]}]" in done.err.split("last lines of", 1)[1]
    assert "no such database" in done.err
    assert leaves_nothing(folder)
    assert supervisor.alive([int(named[1])]) == []


@pytest.fixture
def hanging(tmp_path: Path) -> list[str | Path]:
    """An ``up`` whose worker never gets past its imports."""
    (tmp_path / "hangs.py").write_text(
        "import os, threading\n"
        "from examples.echo.routing import channel_routing\n"
        f"if {supervisor.MARK!r} in os.environ:\n"
        "    threading.Event().wait()\n"
    )
    return up_of_one("hangs", tmp_path / ".run")


def test_a_start_that_hangs_is_given_up_and_leaves_nothing(tmp_path: Path, hanging: list[str | Path]) -> None:
    done = command(*hanging, "--start-timeout-s", "4", cwd=tmp_path, environ={"PYTHONPATH": str(ROOT)})
    assert done.code == ExitCode.FAILED
    assert "0 of 1 workers hold a lease" in done.err
    assert leaves_nothing(tmp_path / ".run")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_start_that_is_broken_off_leaves_nothing(
    tmp_path: Path, hanging: list[str | Path], number: signal.Signals
) -> None:
    process = await asyncio.create_subprocess_exec(
        # pytest-xdist's processes ignore SIGINT, and what they start would inherit that.
        *("env", "--default-signal=INT", *TRUNKLINE, *map(str, hanging)),
        cwd=tmp_path,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )

    def started() -> ClusterState | None:
        state = RunDir(tmp_path / ".run").load()
        roles = {member.role for member in supervisor.members(state.cluster)} if state else set()
        return state if {"interface", "worker"} <= roles else None

    state = await until(started, within_s=60)
    process.send_signal(number)
    printed, _ = await process.communicate()
    assert process.returncode not in (None, ExitCode.OK)
    assert b"stopped again" in printed
    assert state is not None
    assert supervisor.members(state.cluster) == []
    assert leaves_nothing(tmp_path / ".run")


def test_what_is_named_from_here_is_found_from_the_run_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUNKLINE_TLS_CERT", "cert.pem")
    monkeypatch.delenv("TRUNKLINE_TLS_KEY", raising=False)

    environ = up._environ(a_state(), UpSettings.model_validate({"module": ECHO}))

    assert environ["TRUNKLINE_TLS_CERT"] == str(tmp_path / "cert.pem")
    assert "TRUNKLINE_TLS_KEY" not in environ
    assert up._absolute("/files=static") == f"/files={tmp_path / 'static'}"


def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = command("up", ECHO, "--port", str(port), "--run-dir", tmp_path / ".run")
    assert done.code == ExitCode.USAGE
    assert f"port {port} is in use" in done.err
    assert leaves_nothing(tmp_path / ".run")


def test_mistakes_of_the_routing_are_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "from trunkline.worker import route\n"
        "channel_routing = [route('websocket.receive', 'nowhere.handler'), route('websocket.connect', 'no.where')]\n"
    )
    done = command("up", "bad", "--port", "0", "--run-dir", tmp_path / ".run", cwd=tmp_path)
    assert done.code == ExitCode.ROUTING
    assert done.err.count("bad.py:2") == 2
    assert leaves_nothing(tmp_path / ".run")


def test_a_redis_that_does_not_answer_is_said_before_anything_starts(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/nothing.sock"
    done = command("up", ECHO, "--port", "0", "--run-dir", tmp_path / ".run", environ={"REDIS_URL": url})
    assert done.code == ExitCode.NO_REDIS
    assert url in done.err
    assert leaves_nothing(tmp_path / ".run")


async def test_two_ups_at_the_same_time_make_one_cluster(tmp_path: Path) -> None:
    up = up_of_one(ECHO, tmp_path / ".run")
    try:
        one, other = await asyncio.gather(asyncio.to_thread(command, *up), asyncio.to_thread(command, *up))
        assert (one.code, other.code) == (ExitCode.OK, ExitCode.OK), one.err + other.err
        assert ("already running" in one.out) != ("already running" in other.out)
    finally:
        command("down", "--run-dir", tmp_path / ".run")
