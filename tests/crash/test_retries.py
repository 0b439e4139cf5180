"""Handlers that fail and are called again while processes die or end: nothing is lost, doubled or reordered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.processes import Processes, Worker
from tests.support.retry_app import PATIENCE_S, calls_of
from tests.support.sockets import Client, Socket
from tests.support.waiting import until

APP = "tests.support.retry_app"


class Talk:
    """A client that tells handlers how often to fail.

    Args:
        socket: of the client.
        calls: where handlers note their calls.
    """

    def __init__(self, socket: Socket, calls: Path) -> None:
        self.socket = socket
        self._calls = calls

    async def say(self, word: str, fail: int = 0) -> None:
        """Sends a word whose first calls fail."""
        await self.socket.send(json.dumps({"say": word, "fail": fail, "calls": str(self._calls)}))

    def calls(self, word: str) -> list[float]:
        """When handlers were called for a word."""
        return calls_of(self._calls, word)

    async def called(self, word: str, times: int = 1) -> None:
        """Waits until a handler was called so often for a word."""
        await until(lambda: len(self.calls(word)) >= times, 15, f"call {times} for {word}")


@asynccontextmanager
async def talking(cluster: Processes, tmp_path: Path, path: str, workers: int) -> AsyncIterator[Talk]:
    """An interface server, so many workers, and a client of theirs on a path."""
    cluster.interface()
    for _ in range(workers):
        cluster.worker(routing=APP)
    await cluster.ready()
    async with Client() as client:
        socket = await client.open(f"{cluster.interfaces[0].address}/{path}/x")
        yield Talk(socket, tmp_path / f"{path}.calls")


async def holder(cluster: Processes) -> Worker:
    """The worker that holds a frame."""
    found: list[Worker] = []

    async def holds() -> bool:
        found[:] = [worker for worker in cluster.workers if await cluster.held_by(worker)]
        return bool(found)

    await until(holds, 10, "a worker holds the frame that waits")
    return found[0]


async def test_while_a_message_is_tried_again_the_later_ones_of_its_connection_wait(
    cluster: Processes, tmp_path: Path
) -> None:
    async with talking(cluster, tmp_path, "ordered", workers=2) as talk:
        await talk.say("first", fail=2)
        await talk.say("second")
        await talk.say("third", fail=1)
        assert await talk.socket.hears(3, 20) == ["first 3", "second 1", "third 2"]


async def test_without_order_the_later_ones_go_on(cluster: Processes, tmp_path: Path) -> None:
    async with talking(cluster, tmp_path, "free", workers=2) as talk:
        await talk.say("first", fail=2)
        await talk.say("second")
        await talk.say("third")
        assert await talk.socket.hears(3, 20) == ["second 1", "third 1", "first 3"]
    aside = [await cluster.metric(worker, "retries_total") for worker in cluster.workers]
    assert sum(aside) == 3  # set aside twice, then it succeeded


async def test_a_handler_that_asks_to_be_called_again_is(cluster: Processes, tmp_path: Path) -> None:
    async with talking(cluster, tmp_path, "asking", workers=1) as talk:
        await talk.say("first", fail=2)
        await talk.say("second")
        assert await talk.socket.hears(2, 20) == ["first 3", "second 1"]


async def test_a_message_that_waits_in_a_worker_that_is_killed_is_handled_once_and_in_its_turn(
    cluster: Processes, tmp_path: Path
) -> None:
    async with talking(cluster, tmp_path, "patient", workers=2) as talk:
        await talk.say("first", fail=1)
        await talk.say("second")
        await talk.called("first")
        (await holder(cluster)).kill()

        assert await talk.socket.hears(2, 20) == ["first 2", "second 1"]
        await talk.say("third")
        assert await talk.socket.hears(3, 20) == ["first 2", "second 1", "third 1"]
        assert [len(talk.calls(word)) for word in ("first", "second", "third")] == [2, 1, 1]


async def test_a_message_that_is_set_aside_outlives_every_worker_with_its_count(
    cluster: Processes, tmp_path: Path
) -> None:
    async with talking(cluster, tmp_path, "free", workers=1) as talk:
        await talk.say("first", fail=2)
        await talk.say("second")
        await talk.called("first", times=2)
        await until(lambda: set_aside(cluster), 10, "the message is set aside again")
        cluster.workers[0].kill()

        cluster.worker(routing=APP)
        await cluster.ready()

        assert await talk.socket.hears(2, 20) == ["second 1", "first 3"]
        await talk.say("third")
        assert await talk.socket.hears(3, 20) == ["second 1", "first 3", "third 1"]
        assert len(talk.calls("first")) == 3


async def set_aside(cluster: Processes) -> bool:
    """Whether a message waits in Redis."""
    async with cluster.operator() as layer:
        return (await layer.stats()).delayed > 0


async def test_work_in_the_background_is_tried_again_whoever_is_killed(
    cluster: Processes, tmp_path: Path
) -> None:
    async with talking(cluster, tmp_path, "background", workers=2) as talk:
        await talk.say("first", fail=2)
        await talk.called("first")
        await until(lambda: set_aside(cluster), 10, "the message is set aside")
        cluster.workers[0].kill()

        assert await talk.socket.hears(1, 20) == ["first 3"]
        assert len(talk.calls("first")) == 3


async def test_a_worker_that_ends_waits_for_no_retry_and_the_next_one_not_less_long(
    cluster: Processes, tmp_path: Path
) -> None:
    async with talking(cluster, tmp_path, "patient", workers=1) as talk:
        await talk.say("first", fail=1)
        await talk.say("second")
        await talk.called("first")
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        cluster.workers[0].terminate()
        assert await cluster.workers[0].ends() == 0
        assert loop.time() - began_s < PATIENCE_S / 2
        assert len(talk.calls("first")) == 1

        cluster.worker(routing=APP)
        await cluster.ready()

        assert await talk.socket.hears(2, 20) == ["first 2", "second 1"]
        first, again = talk.calls("first")
        assert again - first >= PATIENCE_S - 0.01
