"""Processes under a service manager: it holds their socket, and they tell it how they are."""

from __future__ import annotations

import asyncio
import itertools
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.parts.systemd.manager import Manager, tool
from tests.support.commands import TRUNKLINE
from tests.support.own_processes import pytest_runtest_makereport
from tests.support.process import Process
from tests.support.redis_server import RedisServer
from tests.support.sockets import Client
from tests.support.waiting import until
from trunkline.protocol.exit_codes import ExitCode

__all__ = ["pytest_runtest_makereport"]
pytestmark = [pytest.mark.parts, pytest.mark.timeout(240)]
WAITING = 20
"""Clients that come while no process is there."""
GET = b"GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
WATCHDOG_S = 0.5
SLOW_S = 2.0
"""How long the handler ``slow`` of `tests.support.fault_app` holds the event loop up."""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A service manager."""
    running = Manager(tmp_path)
    yield running
    running.end()


@pytest.fixture
def flags(redis_server: RedisServer, tmp_path: Path) -> list[str]:
    """Where the cluster is."""
    return ["--redis-url", redis_server.url, "--prefix", redis_server.fresh_prefix()]


@pytest.fixture
def interface(flags: list[str], tmp_path: Path) -> list[str]:
    """The words of an interface server that serves a file without any worker. Its port is one nobody may bind."""
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "page").write_text("the page")
    return ["interface", *flags, "--port", "1", "--static", f"/={tmp_path / 'static'}"]


async def page(where: tuple[str, int]) -> str:
    async with aiohttp.ClientSession() as client, client.get(f"http://{where[0]}:{where[1]}/page") as answer:
        return await answer.text()


async def read(client: socket.socket) -> bytes:
    said = b""
    while piece := await asyncio.get_running_loop().sock_recv(client, 4096):
        said += piece
    return said


async def test_it_says_ready_when_it_serves_and_stopping_when_it_drains(
    manager: Manager, interface: list[str]
) -> None:
    process = manager.start(*interface)
    where = manager.public.getsockname()

    ready = await manager.hears("READY=1")
    assert ready[0].text == f"READY=1\nSTATUS=listening on http://{where[0]}:{where[1]}"
    assert await page(where) == "the page"
    assert [word.text for word in manager.listen()] == [ready[0].text]

    process.terminate()
    stopping = await manager.hears("STOPPING=1")
    assert stopping[0].text == "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=40000000"
    assert await process.ends() == ExitCode.OK


async def test_a_restart_refuses_nobody_who_comes_meanwhile(manager: Manager, interface: list[str]) -> None:
    where = manager.public.getsockname()
    first = manager.start(*interface)
    await manager.hears("READY=1")
    first.terminate()
    await manager.hears("STOPPING=1")
    assert await first.ends() == ExitCode.OK
    waiting = [socket.create_connection(where) for _ in range(WAITING)]
    for client in waiting:
        client.sendall(GET)
        client.setblocking(False)

    manager.start(*interface)
    answers = await asyncio.gather(*map(read, waiting))

    assert [answer.partition(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 200 OK"] * WAITING
    for client in waiting:
        client.close()


async def test_while_one_of_two_restarts_the_other_lets_everybody_in(
    manager: Manager, interface: list[str]
) -> None:
    where = manager.public.getsockname()
    first, second = manager.start(*interface), manager.start(*interface)
    await manager.hears("READY=1", 2)

    first.pause()  # It neither accepts nor says that it does not.
    answers = [await page(where) for _ in range(WAITING)]
    first.resume()
    first.terminate()
    assert await first.ends() == ExitCode.OK
    answers += [await page(where) for _ in range(WAITING)]

    assert set(answers) == {"the page"}
    assert second.exit_code is None


async def test_an_event_loop_that_hangs_does_not_say_that_it_is_alive(
    manager: Manager, flags: list[str]
) -> None:
    worker = manager.start("worker", "tests.support.fault_app", *flags, watchdog_s=WATCHDOG_S)
    await manager.hears("READY=1\nSTATUS=serves tests.support.fault_app")
    manager.start("interface", *flags)
    await manager.hears("READY=1\nSTATUS=listening")
    await manager.hears("WATCHDOG=1", 3)
    where = manager.public.getsockname()

    async with Client() as client:
        chat = await client.open(f"http://{where[0]}:{where[1]}/trouble/a")
        await chat.send("slow")

        async def answered() -> bool:
            manager.listen()
            return bool(chat.heard)

        await until(answered, 30.0)
        await manager.hears("WATCHDOG=1", len([w for w in manager.words if w.text == "WATCHDOG=1"]) + 2)
        pings = [word.at_s for word in manager.words if word.text == "WATCHDOG=1"]
        # One ping is due when the handler begins, none while it runs.
        assert max(after - before for before, after in itertools.pairwise(pings)) > SLOW_S - WATCHDOG_S

        # What the manager does about a hang: it sends SIGABRT, and the journal gets where the loop hung.
        await chat.send("stuck")
        await until(lambda: _silent(manager), 30.0, "the worker hangs")
        worker.send(signal.SIGABRT)
        assert await worker.ends() == -signal.SIGABRT
    assert "in stuck_in_a_loop" in worker.text()


def _silent(manager: Manager) -> bool:
    return time.monotonic() - manager.listen()[-1].at_s > 2 * WATCHDOG_S


async def test_what_is_handed_over_and_does_not_listen_is_a_usage_error(
    manager: Manager, interface: list[str]
) -> None:
    with socket.socket() as mute:
        listening, manager.public = manager.public, mute
        process = manager.start(*interface)
        assert await process.ends() == ExitCode.USAGE
        manager.public = listening
    assert process.text() == (
        "trunkline interface: LISTEN_FDS: descriptor 3 (public) does not listen; expected a listening stream socket, "
        "that is ListenStream= and Accept=no in the .socket unit\n"
    )


async def test_systemds_own_activator_starts_it_with_the_first_client(
    interface: list[str], tmp_path: Path
) -> None:
    activator = tool("systemd-socket-activate")
    path = tmp_path / "public"
    command = [
        activator,
        "--listen",
        str(path),
        "--fdname=public",
        "--setenv=PYTHONPATH",
        *TRUNKLINE,
        *interface,
    ]
    process = Process("activated", command, tmp_path / "activated.log")
    try:
        await process.says("Listening on")
        assert "listening address" not in process.text()
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as client,
            client.get("http://x/page") as answer,
        ):
            assert await answer.text() == "the page"
        await process.says(f"listening address=http\\+unix://{path} ")
    finally:
        process.stop()
