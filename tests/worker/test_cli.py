"""`trunkline worker` as a real process: how it starts, refuses and ends."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.protocol.layer_harness import Interface, body, lease_info
from tests.support.commands import TRUNKLINE
from tests.support.process import Process
from tests.support.waiting import until
from trunkline.protocol import codec
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import RECEIVE, TRIP, ChannelName, ConnectionId, reply_name
from trunkline.protocol.redis_layer import RedisInterfaceLayer
from trunkline.protocol.settings import LayerSettings
from trunkline.worker.cli import main

APP = """
import logging, time
from trunkline.worker import route

def echo(message):
    logging.getLogger("app").info("echoing")
    message.reply_channel.send({"text": message["text"]})

def sleep(message):
    logging.getLogger("app").info("asleep")
    time.sleep(60)

async def deaf(message):
    import asyncio
    logging.getLogger("app").info("asleep")
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

channel_routing = [
    route("websocket.receive", echo),
    route("sleep", sleep),
    route("deaf", deaf),
]
"""
BROKEN = """
from trunkline.worker import route
channel_routing = [
    route("websocket.receive", "nowhere.handler"),
    route("websocket.connect", "os.no_such_thing"),
    route("websocket.receive", print, path="("),
]
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with routing modules, which child processes find."""
    (tmp_path / "cli_app.py").write_text(APP)
    (tmp_path / "cli_broken.py").write_text(BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


class Command:
    """Runs `trunkline worker` in the app's folder."""

    def __init__(self, folder: Path, settings: LayerSettings) -> None:
        self._folder = folder
        self._redis = ["--redis-url", settings.redis_url, "--prefix", settings.prefix]
        self.running: list[Process] = []

    def start(self, *flags: str, module: str = "cli_app") -> Process:
        """Starts it with the test's Redis."""
        command = [*TRUNKLINE, "worker", module, *self._redis, *flags]
        self.running.append(Process("worker", command, self._folder / f"log{len(self.running)}"))
        return self.running[-1]


@pytest.fixture
def command(app: Path, layer_settings: LayerSettings) -> Iterator[Command]:
    found = Command(app, layer_settings)
    yield found
    for process in found.running:
        process.kill()


@pytest.fixture
async def interface(layer_settings: LayerSettings) -> AsyncIterator[Interface]:
    found = Interface(RedisInterfaceLayer(layer_settings))
    await found.layer.open(lease_info(found.id, "interface"), found)
    yield found
    await found.layer.close()


async def test_it_serves_until_sigterm_and_ends_with_0(command: Command, interface: Interface) -> None:
    worker = command.start("--log-messages")
    address = (await worker.says(r"worker is ready, metrics at (http://\S+)/metrics", 30))[1]
    reply = reply_name(interface.id, ConnectionId("c1"))
    interface.publish(RECEIVE, codec.encode_entry(Entry(RECEIVE, reply, "/", 1, ["hello"])))
    line = await worker.says(r"(w\w+) echoing channel=websocket.receive route=(\S+) connection=(\S+)")
    assert line.group(2, 3) == ("cli_app.echo", "c1")
    await worker.says(
        rf"{line[1]} handled channel=\S+ route=cli_app.echo connection=c1 event=0 outcome=ok ms="
    )

    async with aiohttp.ClientSession() as session:
        async with session.get(f"{address}/ready") as answer:
            assert answer.status == 200
        async with session.get(f"{address}/metrics") as answer:
            shown = await answer.text()
    assert re.search(r'trunkline_messages_total\{channel="websocket.receive",outcome="ok".*\} 1', shown)
    assert 'trunkline_stream_length{channel="websocket.receive",shard="0"}' in shown

    worker.terminate()
    assert await worker.ends() == ExitCode.OK
    await until(lambda: interface.operations, what="the release")
    assert [each[3] for each in interface.operations if each[0] == codec.RELEASE] == [["hello"]]


async def test_it_answers_the_trip_with_its_id(command: Command, interface: Interface) -> None:
    worker = command.start()
    await worker.says("worker is ready", 30)
    reply = reply_name(interface.id, ConnectionId("c1"))
    interface.publish(TRIP, codec.encode_entry(Entry(TRIP, reply, "/", 0, [{}])))
    name = (await worker.says(r"INFO (w\w+) worker is ready"))[1]
    await until(lambda: interface.operations, what="the answer of the trip")
    worker.send(signal.SIGINT)
    assert await worker.ends() == ExitCode.OK
    (answer,) = (each[3][0] for each in interface.operations)
    assert answer["content"] == name.encode()


@pytest.mark.parametrize(("channel", "flags"), [("sleep", ["--threads", "1"]), ("deaf", [])])
async def test_a_handler_that_outlives_the_drain_does_not_keep_the_process(
    command: Command, interface: Interface, channel: str, flags: list[str]
) -> None:
    worker = command.start("--drain-s", "0.2", *flags)
    await worker.says("worker is ready", 30)
    interface.publish(ChannelName(channel), body("x"))
    await worker.says("asleep")
    worker.terminate()
    assert await worker.ends(15) == ExitCode.OK
    assert "entries left to others=1" in worker.text()


async def test_a_stuck_handler_ends_it_with_a_code_of_its_own(command: Command, interface: Interface) -> None:
    worker = command.start("--handler-timeout-s", "0.2")
    await worker.says("worker is ready", 30)
    interface.publish(ChannelName("sleep"), body("x"))
    assert await worker.ends(15) == ExitCode.STUCK
    assert "a handler is stuck for over" in worker.text()
    assert "time.sleep(60)" in worker.text()


async def test_a_redis_that_is_not_there_is_told(command: Command) -> None:
    worker = command.start("--redis-url", "redis://127.0.0.1:1/0")
    assert await worker.ends() == ExitCode.NO_REDIS
    assert "cannot reach Redis" in worker.text()
    assert "Traceback" not in worker.text()
    assert "Warning" not in worker.text()


async def test_channels_that_leave_nothing_are_a_wrong_flag(command: Command) -> None:
    worker = command.start("--only-channels", "typo")
    assert await worker.ends() == ExitCode.USAGE
    assert "--only-channels typo" in worker.text()


# ---- refused before anything starts ----


def test_every_mistake_of_a_routing_is_told(
    app: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(app)
    assert main(["cli_broken"]) == ExitCode.ROUTING
    told = capsys.readouterr().err
    assert "trunkline worker: cli_broken has mistakes:" in told
    for mistake in ("nowhere", "no_such_thing", "'('"):
        assert mistake in told


def test_a_module_that_is_not_there_is_a_routing_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no_such_module_at_all"]) == ExitCode.ROUTING
    assert "no_such_module_at_all" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags", [["--threads", "many"], ["--redis-url", "http://x"], ["--no-such-flag"], ["--prefetch", "0"]]
)
def test_a_wrong_flag_is_refused_by_its_name(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["cli_app", *flags])
    assert end.value.code == ExitCode.USAGE
    assert flags[0] in capsys.readouterr().err
