"""The tutorial keeps its word: each step's code, taken from the document, on both layers.

Nothing differs between the layers but the configuration: not a character of a step's code.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shlex
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.support.cluster import Cluster, cluster_of
from tests.support.commands import TRUNKLINE, environment
from tests.support.sockets import Client, Socket
from tests.support.stack import LayerKind, Stack, stack
from tests.support.tutorial import DOCUMENT, importable, read_steps
from tests.support.waiting import until
from trunkline.deploy.settings import DevSettings, StartappSettings, UpSettings
from trunkline.interface.settings import InterfaceSettings
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.settings import LayerSettings, Settings, parse
from trunkline.worker.settings import WorkerSettings

STEPS = read_steps(DOCUMENT.read_text())

Run = Callable[..., AbstractAsyncContextManager[Stack]]


@pytest.fixture(params=["memory", "redis"])
def layer(request: pytest.FixtureRequest) -> LayerKind:
    kind: LayerKind = request.param
    return kind


@pytest.fixture
def redis_settings(layer: LayerKind, request: pytest.FixtureRequest) -> LayerSettings | None:
    if layer == "memory":
        return None
    settings: LayerSettings = request.getfixturevalue("layer_settings")
    return settings


@pytest.fixture
def run(tmp_path: Path, layer: LayerKind, redis_settings: LayerSettings | None) -> Run:
    """Runs a step's code on the layer that is this test's."""

    @asynccontextmanager
    async def run(number: int, workers: int = 1) -> AsyncIterator[Stack]:
        STEPS[number].write(tmp_path)
        with importable(tmp_path):
            async with stack("chat.routing", layer, workers=workers, redis=redis_settings) as running:
                yield running

    return run


def said(username: str, text: str) -> dict[str, str]:
    return {"message": text, "username": username}


async def read_to_the_end(socket: Socket) -> list[dict[str, str]]:
    return [json.loads(frame) for frame in await socket.ended()]


async def test_step_1_a_message_comes_back_to_who_sent_it_and_nobody_else(run: Run) -> None:
    async with Client() as client:
        async with run(1) as running:
            speaker = await client.open(running.url("/"))
            other = await client.open(running.url("/any/path"))
            await speaker.send("Is this thing on?")
            assert await speaker.hears(1) == ["Is this thing on?"]
        assert await speaker.ended() == ["Is this thing on?"]
        assert await other.ended() == []


async def test_step_2_what_the_third_says_reaches_all_three(run: Run) -> None:
    async with Client() as client:
        async with run(2) as running:
            sockets = []
            for name in ("first", "second", "third"):
                socket = await client.open(running.url("/"))
                sockets.append(socket)
                await socket.send(f"{name} speaks")
                assert (await socket.hears(1))[0] == f"{name} speaks"
            for count, socket in zip((3, 2, 1), sockets, strict=True):
                await socket.hears(count)
        heard = [await socket.ended() for socket in sockets]
        assert heard == [
            ["first speaks", "second speaks", "third speaks"],
            ["second speaks", "third speaks"],
            ["third speaks"],
        ]


async def test_step_3_nobody_hears_another_room(run: Run) -> None:
    async with Client() as client:
        async with run(3) as running:
            rooms = {
                room: [await client.open(running.url(f"/chat/{room}")) for _ in range(2)]
                for room in ("tea", "coffee")
            }
            for room, guests in rooms.items():
                for number, guest in enumerate(guests, 1):
                    await guest.send(f"guest {number} likes {room}")
            for guests in rooms.values():
                for guest in guests:
                    await guest.hears(2)
        for room, guests in rooms.items():
            for guest in guests:
                assert sorted(map(str, await guest.ended())) == [
                    f"guest 1 likes {room}",
                    f"guest 2 likes {room}",
                ]


async def test_step_4_messages_are_json_with_a_name(run: Run) -> None:
    async with Client() as client:
        async with run(4) as running:
            ada = await client.open(running.url("/chat/tea?username=ada"))
            grace = await client.open(running.url("/chat/tea?username=grace"))
            elsewhere = await client.open(running.url("/chat/coffee?username=ken"))
            await ada.send("good morning")
            await grace.hears(1)
            await grace.send("good evening")
            await ada.hears(2)
            await grace.hears(2)
        conversation = [said("ada", "good morning"), said("grace", "good evening")]
        assert await read_to_the_end(ada) == conversation
        assert await read_to_the_end(grace) == conversation
        assert await read_to_the_end(elsewhere) == []


async def test_step_4_who_gives_no_name_hears_nothing_and_is_not_heard(run: Run) -> None:
    async with Client() as client:
        async with run(4) as running:
            ada = await client.open(running.url("/chat/tea?username=ada"))
            nameless = await client.open(running.url("/chat/tea"))
            await nameless.send("boo")
            # Two connects and this message.
            await until(lambda: running.handled() == [3])
            await ada.send("is somebody there?")
            await ada.hears(1)
        assert await read_to_the_end(ada) == [said("ada", "is somebody there?")]
        assert await nameless.ended() == []


async def test_step_4_who_gives_no_name_can_be_turned_away_as_the_text_says(
    tmp_path: Path, layer: LayerKind, redis_settings: LayerSettings | None
) -> None:
    # given the change that the text describes
    STEPS[4].write(tmp_path)
    consumers = tmp_path / "chat" / "consumers.py"
    code = consumers.read_text()
    code = code.replace("        return\n", "        raise DenyConnection\n", 1)
    consumers.write_text(code.replace("import Group", "import DenyConnection, Group"))
    # then the handshake fails with the status that the text names
    with importable(tmp_path):
        async with Client() as client, stack("chat.routing", layer, redis=redis_settings) as running:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.open(running.url("/chat/tea"))
            assert refused.value.status == 403
            await client.open(running.url("/chat/tea?username=ada"))


async def test_step_5_only_log_lines_are_new(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="chat")
    async with Client() as client:
        async with run(5) as running:
            ada = await client.open(running.url("/chat/tea?username=ada"))
            await ada.send("good morning")
            await ada.hears(1)
        assert await read_to_the_end(ada) == [said("ada", "good morning")]
    lines = [record.getMessage() for record in caplog.records if record.name == "chat.consumers"]
    assert [line.partition(" channel=")[0] for line in lines] == [
        "Adding ada to room tea",
        "Passing on 'good morning' from ada in room tea",
    ]


async def talk(client: Client, url: Callable[[str], str]) -> dict[tuple[str, str], Socket]:
    """What the snippet of step 6 does; returns each socket by room and name when it has heard its whole room."""
    sockets = {
        (room, name): await client.open(url(f"/chat/{room}?username={name}"))
        for room in ("tea", "coffee", "water")
        for name in ("ada", "grace")
    }
    for number in range(1, 21):
        for socket in sockets.values():
            await socket.send(f"message {number}")
    for socket in sockets.values():
        await socket.hears(40)
    return sockets


def check_talk(sockets: dict[tuple[str, str], Socket]) -> None:
    """Nothing is missing, doubled, out of order or in the wrong room."""
    for (room, _), socket in sockets.items():
        heard = [json.loads(frame) for frame in socket.heard]
        for name in ("ada", "grace"):
            numbers = [frame["message"] for frame in heard if frame["username"] == name]
            assert numbers == [f"message {number}" for number in range(1, 21)], room
        assert len(heard) == 40


async def test_step_6_a_second_worker_takes_a_share_and_order_is_kept(run: Run) -> None:
    async with Client() as client:
        async with run(6, workers=2) as running:
            sockets = await talk(client, running.url)
            shares = running.handled()
        check_talk(sockets)
        assert min(shares) > 0
        # Six connects, and 20 messages from each.
        assert sum(shares) == 6 + 6 * 20


@pytest.mark.timeout(120)
async def test_step_6_a_worker_started_in_a_terminal_takes_a_share_and_each_log_line_says_whose_it_is(
    tmp_path: Path,
) -> None:
    # given a cluster with one worker, and the command that the text shows typed into one more terminal
    STEPS[6].write(tmp_path)
    log = tmp_path / "second.log"
    cluster_in_folder = cluster_of("chat.routing", tmp_path / "run", interfaces=1, workers=1, cwd=tmp_path)
    async with Client() as client, cluster_in_folder as cluster:
        (command,) = STEPS[6].commands
        second = await start_worker(command, cluster, log, tmp_path)
        await until(lambda: _has_workers(cluster, 2), within_s=30)
        # when people talk until both have written log lines (on a busy machine one may take a whole talk)
        talks = 0

        async def both_have_written() -> bool:
            nonlocal talks
            talks += 1
            rooms = f"/chat/talk{talks}_"
            check_talk(await talk(client, lambda path: f"{cluster.url}{path[1:]}".replace("/chat/", rooms)))
            return bool(cluster.worker_lines("Passing on") and cluster.worker_lines("Passing on", log))

        await until(both_have_written, within_s=60)
        # then each has its own id in its lines
        first_lines = cluster.worker_lines("Passing on")
        second_lines = cluster.worker_lines("Passing on", log)
        assert len(first_lines) == len(second_lines) == 1
        assert first_lines.keys() != second_lines.keys()
        assert sum(map(len, [*first_lines.values(), *second_lines.values()])) == 120 * talks
        # and when the second is stopped, it ends as told, and the first goes on alone
        second.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(second.wait(), 30) == ExitCode.OK
        check_talk(
            await talk(client, lambda path: f"{cluster.url}{path[1:]}".replace("/chat/", "/chat/late_"))
        )


async def _has_workers(cluster: Cluster, count: int) -> bool:
    return len(await cluster.workers()) == count


async def start_worker(command: str, cluster: Cluster, log: Path, folder: Path) -> asyncio.subprocess.Process:
    """Types a worker command of the document, with this cluster's Redis for the document's."""
    layer = cluster.state.layer_settings()
    program, *arguments = shlex.split(command)
    assert program == "trunkline"
    arguments[arguments.index("--redis-url") + 1] = layer.redis_url
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            *TRUNKLINE,
            *arguments,
            cwd=folder,
            env=environment(),
            stdout=output,
            stderr=output,
        )


SETTINGS: dict[str, type[Settings]] = {
    "dev": DevSettings,
    "interface": InterfaceSettings,
    "worker": WorkerSettings,
    "up": UpSettings,
    "startapp": StartappSettings,
}


@pytest.mark.parametrize("command", [command for step in STEPS.values() for command in step.commands])
def test_every_command_is_one_that_trunkline_takes(command: str) -> None:
    program, verb, *arguments = shlex.split(command)
    assert program == "trunkline"
    parse(SETTINGS[verb], arguments, f"trunkline {verb}")


def test_the_steps_are_all_there() -> None:
    assert list(STEPS) == [1, 2, 3, 4, 5, 6, 7]
    assert all(step.files.keys() == {"chat/consumers.py", "chat/routing.py"} for step in STEPS.values())
    # What the text says of steps 4 to 6.
    assert STEPS[3].files["chat/routing.py"] == STEPS[6].files["chat/routing.py"]
    assert STEPS[5].files == STEPS[6].files
