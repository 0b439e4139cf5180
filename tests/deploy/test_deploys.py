"""``trunkline deploy`` on a cluster that runs: a canary sent, promoted, rolled back; processes rolled."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.commands import PATHS, TRUNKLINE, Done, command, environment
from tests.support.waiting import until
from trunkline.deploy import supervisor
from trunkline.deploy.rundir import ClusterState, RunDir
from trunkline.protocol.exit_codes import ExitCode

pytestmark = pytest.mark.timeout(240)

ROUTING = """
from trunkline.worker import route

def answer(message):
    if message.content["text"] == "fail":
        raise RuntimeError("as it was told")
    message.reply_channel.send({"text": "VERSION"})

channel_routing = [route("websocket.receive", answer)]
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """A cluster whose handlers answer with the version of their code.

    Attributes:
        folder: holds a directory for each version, and the run directory.
    """

    folder: Path

    @property
    def run_dir(self) -> Path:
        return self.folder / ".run"

    def write(self, version: str, text: str = ROUTING) -> Path:
        code = self.folder / version
        (code / "shop").mkdir(parents=True, exist_ok=True)
        (code / "shop" / "__init__.py").touch()
        (code / "shop" / "routing.py").write_text(text.replace("VERSION", version))
        return code

    def do(self, verb: str, *arguments: str | Path) -> Done:
        return command("deploy", verb, *arguments, "--run-dir", self.run_dir)

    def begin(self, verb: str) -> subprocess.Popen[bytes]:
        """Types a command and does not wait for it."""
        return subprocess.Popen(
            [*TRUNKLINE, "deploy", verb, "--run-dir", str(self.run_dir)],
            env={**environment(), "PYTHONPATH": PATHS},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def must(self, verb: str, *arguments: str | Path) -> str:
        done = self.do(verb, *arguments)
        assert done.code == ExitCode.OK, done.printed
        return done.out

    def state(self) -> ClusterState:
        state = RunDir(self.run_dir).load()
        assert state is not None
        return state

    def pids(self, role: str) -> set[int]:
        return {member.pid for member in supervisor.members(self.state().cluster) if member.role == role}

    def versions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.must("status", "--json", "--interval-s", "0.2"))
        return found

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(
                f"http://127.0.0.1:{self.state().port}/", timeout=aiohttp.ClientWSTimeout()
            ) as socket,
        ):
            yield socket

    async def newcomer(self) -> str:
        """The version that answers a new connection."""
        async with self.connected() as socket:
            return await answered(socket)


async def answered(socket: aiohttp.ClientWebSocketResponse) -> str:
    await socket.send_str("who are you?")
    return await socket.receive_str(timeout=20)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    found = Shop(tmp_path_factory.mktemp("shop"))
    started = command(
        "up", "shop.routing", "--port", "0", "--run-dir", found.run_dir, "--drain-s", "5", "--interfaces", "1",
        "--workers", "2", cwd=found.write("v1"),
    )  # fmt: skip
    try:
        assert started.code == ExitCode.OK, started.err
        yield found
    finally:
        command("down", "--run-dir", found.run_dir)


@pytest.fixture(autouse=True)
def no_canary(shop: Shop) -> Iterator[None]:
    """Each test begins with v1 everywhere and none else."""
    yield
    if (shop.run_dir / "releases" / "canary.json").exists():
        shop.must("rollback")
    if any(version["code_version"] != "v1" for version in shop.versions()):
        shop.must("roll", "--code", shop.folder / "v1", "--code-version", "v1")


async def test_a_canary_gets_new_connections_and_a_rollback_moves_them_without_ending_one(shop: Shop) -> None:
    async with shop.connected() as old:
        assert await answered(old) == "v1"
        out = shop.must("start", "--code", shop.write("v2"), "--code-version", "v2", "--percent", "100")
        assert "100% of new connections are put on track canary-" in out
        await until(lambda: _is(shop, "v2"), 20)
        async with shop.connected() as new:
            assert await answered(new) == "v2"
            assert await answered(old) == "v1", "a connection stays on the version that it began on"
            codes = {(version["code_version"], version["percent"]) for version in shop.versions()}
            assert ("v2", 100.0) in codes
            assert shop.do("start", "--code", shop.folder / "v2").code == ExitCode.USAGE

            assert "its connections are served by the main track" in shop.must("rollback")

            assert await answered(new) == "v1"
            assert await answered(old) == "v1"
    assert shop.pids("canary") == set()
    assert shop.do("rollback").err.startswith("trunkline deploy rollback: no canary is out")


async def _is(shop: Shop, version: str) -> bool:
    return await shop.newcomer() == version


async def test_promoting_moves_every_connection_without_ending_one(shop: Shop) -> None:
    before = shop.pids("worker")
    async with shop.connected() as old:
        assert await answered(old) == "v1"
        shop.must("start", "--code", shop.write("v2"), "--code-version", "v2", "--percent", "0")
        assert await shop.newcomer() == "v1"

        assert "promoted: every worker runs shop.routing in" in shop.must("promote")

        assert await answered(old) == "v2"
        assert await shop.newcomer() == "v2"
    assert shop.pids("canary") == set()
    assert len(shop.pids("worker")) == 2
    assert not shop.pids("worker") & before
    assert [(one["code_version"], one["workers"]) for one in shop.versions()] == [("v2", 2)]
    assert RunDir(shop.run_dir).exits() == [], "who was replaced has not crashed"


async def test_code_that_cannot_start_gets_no_connection_and_leaves_nothing(shop: Shop) -> None:
    broken = shop.write("broken", "channel_routing = [oops]")

    done = shop.do("start", "--code", broken, "--percent", "100")

    assert done.code == ExitCode.FAILED
    assert "oops" in done.err
    assert "Traceback" not in done.err.replace("Traceback (most recent call last)", "", 1)
    assert shop.pids("canary") == set()
    assert await shop.newcomer() == "v1"
    assert shop.state().canaries == 0
    RunDir(shop.run_dir).exits_file.unlink()


async def test_a_promotion_whose_workers_do_not_start_leaves_the_old_ones(shop: Shop) -> None:
    code = shop.write("v3")
    shop.must("start", "--code", code, "--code-version", "v3", "--percent", "5")
    before = shop.pids("worker")
    shop.write("v3", "channel_routing = [oops]")

    done = shop.do("promote")

    assert done.code == ExitCode.FAILED
    assert before == shop.pids("worker")
    assert {(one["code_version"], one["percent"]) for one in shop.versions()} == {("v1", 95.0), ("v3", 5.0)}
    RunDir(shop.run_dir).exits_file.unlink()


async def test_a_canary_that_dies_is_started_again_and_nobody_waits_for_it(shop: Shop) -> None:
    shop.must("start", "--code", shop.write("v2"), "--code-version", "v2", "--percent", "100")
    await until(lambda: _is(shop, "v2"), 20)
    async with shop.connected() as socket:
        assert await answered(socket) == "v2"
        (victim,) = shop.pids("canary")
        os.kill(victim, signal.SIGKILL)

        assert await answered(socket) in ("v1", "v2")
        await until(lambda: shop.pids("canary") not in (set(), {victim}), 30)
        await until(lambda: _answers(socket, "v2"), 30)
    RunDir(shop.run_dir).exits_file.unlink()


async def _answers(socket: aiohttp.ClientWebSocketResponse, version: str) -> bool:
    return await answered(socket) == version


async def test_status_tells_the_errors_of_each_version(shop: Shop) -> None:
    shop.must("start", "--code", shop.write("v2"), "--code-version", "v2", "--percent", "100")
    await until(lambda: _is(shop, "v2"), 20)
    async with shop.connected() as socket:
        assert await answered(socket) == "v2"
        looking = asyncio.create_task(asyncio.to_thread(shop.must, "status", "--json", "--interval-s", "8"))
        while not looking.done():
            await socket.send_str("fail")
            assert await answered(socket) == "v2"
        versions = {one["code_version"]: one for one in json.loads(await looking)}
    assert versions["v2"]["failed"] > 0
    assert 20 < versions["v2"]["failed_percent"] < 80
    assert versions["v1"]["failed"] == 0
    text = shop.must("status", "--interval-s", "0.1")
    assert text.splitlines()[0].split() == [
        "CODE", "TRACK", "SHARE", "WORKERS", "MESSAGES/S", "FAILED", "MEAN", "P99",
    ]  # fmt: skip


async def test_what_a_killed_command_left_is_mended_by_the_next(shop: Shop) -> None:
    shop.must("start", "--code", shop.write("v2"), "--code-version", "v2", "--percent", "5")
    promoting = shop.begin("promote")
    await until(lambda: shop.state().workers == 3, 60)
    promoting.kill()
    promoting.wait(60)

    assert "promoted: every worker runs" in shop.must("promote")

    assert shop.state().workers == 2
    await until(lambda: len(shop.pids("worker")) == 2, 30)
    assert [(one["code_version"], one["workers"]) for one in shop.versions()] == [("v2", 2)]


async def test_a_promotion_that_is_terminated_leaves_the_canary_as_it_was(shop: Shop) -> None:
    shop.must("start", "--code", shop.write("v2"), "--code-version", "v2", "--percent", "5")
    promoting = shop.begin("promote")
    await until(lambda: shop.state().workers == 3, 60)
    promoting.terminate()
    promoting.wait(60)

    assert promoting.returncode == ExitCode.FAILED
    assert shop.state().workers == 2
    assert {one["percent"] for one in shop.versions() if one["track"]} == {5.0}


async def test_a_cluster_outlives_the_directory_that_it_was_started_in(shop: Shop) -> None:
    shop.must("roll", "--code", shop.write("v2"), "--code-version", "v2")
    (shop.folder / "v1").rename(shop.folder / "removed")
    try:
        (victim,) = shop.pids("interface")
        os.kill(victim, signal.SIGKILL)
        for worker in shop.pids("worker"):
            os.kill(worker, signal.SIGKILL)
        await until(lambda: shop.pids("interface") not in (set(), {victim}), 30)
        await until(lambda: _comes_in(shop, "v2"), 60)
    finally:
        (shop.folder / "removed").rename(shop.folder / "v1")
        RunDir(shop.run_dir).exits_file.unlink()


async def _comes_in(shop: Shop, version: str) -> bool:
    try:
        return await shop.newcomer() == version
    except (aiohttp.ClientError, OSError):
        return False


async def test_the_share_changes_while_connections_live(shop: Shop) -> None:
    shop.must("start", "--code", shop.write("v2"), "--code-version", "v2", "--percent", "0")
    assert await shop.newcomer() == "v1"
    assert shop.must("share", "100").startswith("100% of new connections are put on track canary-")
    await until(lambda: _is(shop, "v2"), 20)
    shop.must("share", "0")
    await until(lambda: _is(shop, "v1"), 20)
    assert "once it has a worker: now it has none" in shop.must("share", "5", "--track", "planned")
    assert shop.must("share", "0", "--track", "planned").startswith("0% of new connections")
    assert shop.do("share", "101").code == ExitCode.USAGE
    assert shop.do("share", "5", "--track", "A B").code == ExitCode.USAGE


async def test_interface_servers_are_replaced_one_by_one_and_clients_come_back(shop: Shop) -> None:
    before = shop.pids("interface")
    async with shop.connected() as socket:
        assert await answered(socket) == "v1"
        rolling = asyncio.create_task(asyncio.to_thread(shop.must, "roll", "--role", "interface"))
        message = await socket.receive(timeout=60)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1012)
        assert await shop.newcomer() == "v1", "another one listens before this one goes"
        assert "replaced: 1 processes, interface" in await rolling
    assert len(shop.pids("interface")) == 1
    assert not shop.pids("interface") & before


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["start", "--code", "nowhere"],
            "--code (or TRUNKLINE_CODE): 'nowhere' is not right: expected a directory",
        ),
        (
            ["start", "--percent", "x"],
            "--percent (or TRUNKLINE_PERCENT): 'x' is not right: expected a number",
        ),
        (["promote"], "no canary is out: 'trunkline deploy start' sends one"),
        (["share", "5"], "no canary is out: 'trunkline deploy start' sends one"),
        (["roll", "--role", "interface", "--module", "a.b"], "interface servers run no code of yours"),
        (["send"], "'send' is no verb; expected one of start, share, status, promote, rollback, roll"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    shop: Shop, arguments: list[str], complaint: str
) -> None:
    done = shop.do(*arguments)

    assert done.code == ExitCode.USAGE
    assert complaint in done.err
    assert shop.pids("canary") == set()
