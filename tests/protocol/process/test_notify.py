"""What a service manager is told."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import until
from trunkline.protocol.process.notify import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """What listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def heard(manager: socket.socket) -> list[str]:
    """What was said since the last look."""
    said = []
    while True:
        try:
            said.append(manager.recv(4096).decode())
        except BlockingIOError:
            return said


def environ(manager: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.getsockname(), **more}


async def test_it_tells_that_it_is_ready_and_that_it_stops(manager: socket.socket) -> None:
    notifier = Notifier.from_environment(environ(manager))

    notifier.ready("listening on http://127.0.0.1:1")
    notifier.stopping(30.0)

    assert heard(manager) == [
        "READY=1\nSTATUS=listening on http://127.0.0.1:1",
        "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=40000000",
    ]


async def test_the_event_loop_says_that_it_is_alive_until_it_is_closed(manager: socket.socket) -> None:
    notifier = Notifier.from_environment(
        environ(manager, WATCHDOG_USEC="20000", WATCHDOG_PID=str(os.getpid()))
    )
    said: list[str] = []

    def pinged(times: int) -> bool:
        said.extend(heard(manager))
        return said.count("WATCHDOG=1") >= times

    notifier.ready("here")
    await until(lambda: pinged(3))
    notifier.stopping(1.0)
    await until(lambda: pinged(6))
    notifier.close()
    notifier.close()
    heard(manager)
    notifier.stopping(1.0)
    # The time of a ping comes, and none does.
    await asyncio.sleep(0.02)

    assert heard(manager) == []


@pytest.mark.parametrize(
    "limit", [{"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}, {}]
)
async def test_without_a_limit_for_this_process_it_says_nothing_at_even_times(
    manager: socket.socket, limit: dict[str, str]
) -> None:
    variables = environ(manager, **limit)

    Notifier.from_environment(variables).ready("here")
    await asyncio.sleep(0.02)

    assert heard(manager) == ["READY=1\nSTATUS=here"]
    assert variables == {}


async def test_an_abstract_address_is_understood() -> None:
    name = f"trunkline-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        Notifier(f"@{name}").ready("here")
        assert listening.recv(4096).startswith(b"READY=1")


async def test_without_a_manager_nothing_is_done() -> None:
    notifier = Notifier.from_environment({"WATCHDOG_USEC": "20000"})

    notifier.ready("here")
    notifier.stopping(1.0)
    notifier.close()


async def test_a_manager_that_has_gone_is_told_of_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        Notifier(str(tmp_path / "gone")).ready("here")

    assert f"cannot tell the service manager READY=1 at {tmp_path}/gone" in caplog.text
