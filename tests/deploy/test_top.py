"""``trunkline top`` on real processes: one frame for scripts, frames on a terminal until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import PATHS, ROOT, TRUNKLINE, command, environment
from tests.support.processes import Processes
from tests.support.redis_server import RedisServer
from tests.support.waiting import until
from trunkline.deploy import top
from trunkline.deploy.settings import TopSettings
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.settings import LayerSettings
from trunkline.worker import Channel, outside

pytestmark = pytest.mark.timeout(300)

LIMIT_S = 100.0


@pytest.fixture
async def processes(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Processes]:
    running = Processes(redis_server.url, redis_server.fresh_prefix(), tmp_path)
    try:
        await running.start(1, 0)
        running.worker(routing="tests.support.paced_app")
        await running.ready()
        yield running
    finally:
        running.end()


def where(processes: Processes) -> list[str]:
    return ["--redis-url", processes.url, "--prefix", processes.settings.prefix]


async def test_one_frame_has_every_process_and_what_they_do_in_80_columns(processes: Processes) -> None:
    with outside(processes.url, prefix=processes.settings.prefix):
        for _ in range(3000):
            Channel("work").send({})
    wanted = [
        "trunkline top", "Redis ", "dead letters: 0", f"interface {processes.interfaces[0].id} ",
        f"worker    {processes.workers[0].id} ", "work ", "tests.support.paced_app.work ",
    ]  # fmt: skip
    missing: list[str] = []

    async def complete() -> bool:
        done = await asyncio.to_thread(command, "top", *where(processes), "--once", "--interval-s", "1.5")
        assert done.code == ExitCode.OK and done.err == ""
        lines = done.out.splitlines()
        assert max(map(len, lines)) <= 80
        missing[:] = [begin for begin in wanted if not any(line.startswith(begin) for line in lines)]
        # A process that is short of CPU may not answer in time, and is shown so.
        return not missing and "silent" not in done.out

    await until(complete, LIMIT_S, f"a frame has all of {wanted}")


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
async def test_frames_follow_each_other_until_ctrl_c(processes: Processes, terminal: bool) -> None:
    reader, writer = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(  # noqa: ASYNC220 - it is read from a file descriptor of its own
        [*TRUNKLINE, "top", *where(processes), "--interval-s", "0.2"],
        cwd=ROOT,
        env={**environment(), "PYTHONPATH": PATHS, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    try:
        text = b""
        while text.count(b"trunkline top") < 3:
            piece = os.read(reader, 65_536)
            assert piece, text
            text += piece
        process.send_signal(signal.SIGINT)
        rest = b""
        try:
            while piece := os.read(reader, 65_536):
                rest += piece
        except OSError:
            pass  # a terminal that nobody writes to any more
        assert process.stderr is not None
        err = process.stderr.read()
        assert process.wait(timeout=60) == ExitCode.OK
        assert err == b""
        # The screen that was there before is shown again.
        assert (b"\x1b[?1049l" in rest) is terminal
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
        os.close(reader)


def test_a_redis_that_is_away_is_told(tmp_path: Path) -> None:
    done = command("top", "--once", "--redis-url", f"unix://{tmp_path}/nobody")

    assert done.code == ExitCode.NO_REDIS and "Redis does not answer" in done.out


@pytest.mark.parametrize("flags", [{}, {"once": True}], ids=str)
def test_where_nothing_runs_it_says_how_to_start_or_to_find_a_cluster(
    flags: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A Redis of somebody else may answer at the real default.
    monkeypatch.setattr(LayerSettings.model_fields["redis_url"], "default", f"unix://{tmp_path}/nobody")
    monkeypatch.delenv("REDIS_URL", raising=False)

    assert top.run(TopSettings(run_dir=tmp_path / ".run", **flags)) == ExitCode.NO_REDIS

    told = capsys.readouterr()
    assert told.out == ""
    assert f"no cluster is running in {tmp_path}/.run" in told.err and "'make up'" in told.err


def test_a_run_directory_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")

    done = command("top", "--run-dir", tmp_path)

    assert done.code == ExitCode.FAILED and "cannot be read" in done.err
