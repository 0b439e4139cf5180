from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from tests.support.commands import PATHS
from trunkline.deploy.health import main
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.process.admin import AdminServer
from trunkline.protocol.process.metrics import MetricSet


@pytest.fixture
async def admin() -> AsyncIterator[str]:
    """Address of an admin server that is not ready."""
    server = AdminServer("127.0.0.1", 0, metrics=MetricSet(), ready=lambda: "draining")
    yield await server.start()
    await server.stop()


async def asked(*words: str, port: str = "") -> ExitCode:
    return ExitCode(await asyncio.to_thread(main, words, {"TRUNKLINE_ADMIN_PORT": port}))


async def test_a_process_that_runs_is_healthy(admin: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await asked("live", admin) is ExitCode.OK
    assert capsys.readouterr().out == "200 live\n"


async def test_another_answer_is_not_and_its_reason_is_shown(
    admin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asked("/ready", admin) is ExitCode.FAILED
    assert capsys.readouterr().out == "503 draining\n"


async def test_without_an_address_it_asks_the_own_port(admin: str) -> None:
    assert await asked("live", port=admin.rpartition(":")[2]) is ExitCode.OK


async def test_nobody_there_is_told_with_the_address(capsys: pytest.CaptureFixture[str]) -> None:
    server = AdminServer("127.0.0.1", 0, metrics=MetricSet(), ready=lambda: None)
    address = await server.start()
    await server.stop()

    assert await asked("live", address) is ExitCode.FAILED
    assert f"no answer from http://{address}/live" in capsys.readouterr().err


async def test_somebody_who_speaks_no_http_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-hello\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await asked("live", port=str(port)) is ExitCode.FAILED
    assert "no answer" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["", "0", "x", "70000"])
async def test_a_port_that_is_none_is_told_with_what_to_set(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asked("live", port=port) is ExitCode.USAGE
    assert "TRUNKLINE_ADMIN_PORT" in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("--help",), ("live", "a:1", "b:2")])
async def test_whoever_does_not_know_it_is_told_how(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asked(*words) is ExitCode.USAGE
    assert "usage: python -m trunkline.deploy.health PATH" in capsys.readouterr().err


def test_it_imports_nothing_that_takes_time() -> None:
    # It runs every few seconds beside each process.
    code = "import sys, trunkline.deploy.health; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert not {"pydantic", "aiohttp", "redis", "asyncio", "uvloop"} & set(done.stdout.split())
