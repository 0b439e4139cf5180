"""``trunkline startapp`` and ``trunkline dev``: what is made runs at once."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.support.commands import TRUNKLINE, command, environment
from tests.support.redis_server import RedisServer
from trunkline.protocol.exit_codes import ExitCode

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    assert command("startapp", "talk", cwd=tmp_path).code == ExitCode.OK
    return tmp_path


@asynccontextmanager
async def dev(project: Path, *flags: str) -> AsyncIterator[Process]:
    """``trunkline dev`` in the project; ended with Ctrl-C, after which it must have exit code 0."""
    process = await asyncio.create_subprocess_exec(
        *(*TRUNKLINE, "dev", "talk.routing", "--port", "0", *flags),
        cwd=project,
        env={**environment(), "PYTHONUNBUFFERED": "1"},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        yield process
        process.send_signal(signal.SIGINT)
        await process.communicate()
        assert process.returncode == ExitCode.OK
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


async def says(process: Process, pattern: str) -> re.Match[str]:
    assert process.stdout is not None
    seen = ""
    while line := (await process.stdout.readline()).decode():
        seen += line
        found = re.search(pattern, line)
        if found is not None:
            return found
    raise AssertionError(f"never said {pattern!r}:\n{seen}")


async def talk(url: str) -> list[str]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}ws/lobby") as ann,
        session.ws_connect(f"{url}ws/lobby") as bob,
    ):
        await ann.send_str("hello")
        return [await ann.receive_str(timeout=10), await bob.receive_str(timeout=10)]


async def test_what_startapp_makes_serves_its_page_and_talks_under_dev(project: Path) -> None:
    async with dev(project) as process, aiohttp.ClientSession() as session:
        url = (await says(process, r"serving talk\.routing at (\S+)"))[1]
        async with session.get(url) as page:
            assert page.status == 200
            assert "<title>talk</title>" in await page.text()
        assert await talk(url) == ["hello", "hello"]


async def test_dev_starts_again_on_the_same_port_when_code_changes(project: Path) -> None:
    async with dev(project) as process:
        url = (await says(process, r"serving talk\.routing at (\S+)"))[1]
        consumers = project / "talk" / "consumers.py"
        consumers.write_text(consumers.read_text().replace('message.content["text"]', '"changed"'))
        await says(process, r"^changed: .*consumers\.py")
        assert (await says(process, r"serving talk\.routing at (\S+)"))[1] == url
        assert await talk(url) == ["changed", "changed"]


async def test_dev_outlives_a_mistake_and_starts_when_it_is_mended(project: Path) -> None:
    routing = project / "talk" / "routing.py"
    good = routing.read_text()
    routing.write_text(good.replace("ws_receive", "ws_recieve"))
    async with dev(project) as process:
        await says(process, r"trunkline dev: .*ws_recieve")
        routing.write_text(good)
        url = (await says(process, r"serving talk\.routing at (\S+)"))[1]
        assert await talk(url) == ["hello", "hello"]


async def test_the_same_code_runs_over_redis_by_configuration_alone(
    project: Path, redis_server: RedisServer
) -> None:
    redis = ["--redis-url", redis_server.url, "--prefix", redis_server.fresh_prefix(), "--no-reload"]
    async with dev(project, *redis) as process:
        url = (await says(process, r"serving talk\.routing at (\S+)"))[1]
        assert await talk(url) == ["hello", "hello"]


async def test_the_test_that_startapp_makes_passes(project: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "talk"),
        cwd=project,
        env=environment(),
        stdout=PIPE,
        stderr=STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    assert b"1 passed" in printed


def test_what_exists_is_not_overwritten(project: Path) -> None:
    (project / "talk" / "consumers.py").write_text("mine")
    done = command("startapp", "talk", cwd=project)
    assert done.code == ExitCode.USAGE
    assert "talk exists already" in done.err
    assert (project / "talk" / "consumers.py").read_text() == "mine"


def test_the_name_of_an_installed_module_is_refused(tmp_path: Path) -> None:
    done = command("startapp", "asyncio", cwd=tmp_path)
    assert done.code == ExitCode.USAGE
    assert "would hide" in done.err
    assert os.listdir(tmp_path) == []


def test_dev_without_reload_says_the_mistakes_of_a_routing_and_ends(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("channel_routing = 1\n")
    done = command("dev", "bad", "--no-reload", "--port", "0", cwd=tmp_path)
    assert done.code == ExitCode.ROUTING
    assert "bad" in done.err
