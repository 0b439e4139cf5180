"""How a link behaves while there is nothing to connect to, or while what it tells others fails."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection

from tests.protocol.redis_layer.conftest import Faulty
from tests.support.waiting import until
from trunkline.protocol.errors import LayerClosed, LayerUnavailable
from trunkline.protocol.redis_layer import link as module
from trunkline.protocol.redis_layer.link import Link
from trunkline.protocol.redis_layer.wire import Callback

NAME = "trunkline-test"


class Told:
    """What a link tells its owner, who may fail on it."""

    def __init__(self) -> None:
        self.ups = 0
        self.downs = 0
        self.fault: Exception | None = None

    async def up(self) -> None:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        self.ups += 1

    def down(self) -> None:
        self.downs += 1


@pytest.fixture
def told() -> Told:
    """The owner of the link."""
    return Told()


@pytest.fixture
async def link(faulty: Faulty, told: Told) -> AsyncIterator[Link]:
    """A link that is not open yet; closed behind the test."""
    made = Link(faulty.settings.place, NAME, told.up, told.down)
    yield made
    await made.close()


@pytest.fixture
async def opened(link: Link) -> Link:
    """The link, open."""
    await link.open()
    return link


async def asking_for_ever(faulty: Faulty, link: Link, key: str) -> asyncio.Task[object]:
    """A question on its way that Redis does not answer while the list is empty."""
    asking = asyncio.create_task(link.ask(["BLPOP", faulty.keys.base + key, 0]))
    await until(lambda: link.oldest)
    return asking


async def test_a_redis_that_is_gone_after_long_service_is_tried_again_with_growing_pauses(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, opened: Link, told: Told
) -> None:
    loop = asyncio.get_running_loop()
    attempts_s: list[float] = []

    async def refused() -> None:
        attempts_s.append(loop.time())
        if len(attempts_s) > 1000:  # of a loop that never yields no test would ever be told
            await opened.close()
        raise LayerUnavailable("nobody listens")

    served_until_s = loop.time() + module.LAST_BACKOFF_S
    await until(lambda: loop.time() > served_until_s, what="it has been up long enough to count")
    monkeypatch.setattr(opened, "_connect", refused)

    faulty.cut([NAME])
    await until(lambda: len(attempts_s) >= 5, 10)
    await opened.close()

    pauses_s = [later - earlier for earlier, later in itertools.pairwise(attempts_s)]
    assert len(attempts_s) < 10
    assert pauses_s[3] > 2 * pauses_s[0] > module.FIRST_BACKOFF_S / 2


async def test_an_owner_that_fails_when_it_is_told_does_not_end_the_link(
    faulty: Faulty, caplog: pytest.LogCaptureFixture, opened: Link, told: Told
) -> None:
    told.fault = ZeroDivisionError("a fault of the owner")
    faulty.cut([NAME])

    await until(lambda: told.ups == 2)
    assert opened.up
    assert "a fault of the owner" in caplog.text


async def test_without_a_connection_nothing_is_sent(faulty: Faulty, link: Link) -> None:
    answers: list[object] = []

    assert not link.call(["PING"], answers.append)
    assert not link.send(b"*1\r\n$4\r\nPING\r\n", answers.append)
    with pytest.raises(LayerUnavailable, match="no connection"):
        await link.ask(["PING"])
    link.reset("nothing to reset")

    assert (link.up, link.oldest) == (False, None)
    await link.open()
    assert link.call(["PING"], answers.append)
    assert link.send(b"*1\r\n$4\r\nPING\r\n", answers.append)
    assert link.oldest is not None
    await until(lambda: answers == [b"PONG", b"PONG"])


async def test_a_question_that_redis_refuses_says_why(faulty: Faulty, opened: Link) -> None:
    with pytest.raises(LayerUnavailable, match="Redis answers: ERR unknown command"):
        await opened.ask(["NOSUCH"])

    assert await opened.ask(["PING"]) == b"PONG"


async def test_a_question_whose_connection_is_lost_is_not_waited_for(
    faulty: Faulty, opened: Link, told: Told
) -> None:
    asking = await asking_for_ever(faulty, opened, "nothing")

    opened.reset("the test says so")

    with pytest.raises(LayerUnavailable, match="lost the connection"):
        await asking
    await until(lambda: told.ups == 2)
    assert told.downs == 1
    assert await opened.ask(["PING"]) == b"PONG"


async def test_an_answer_that_came_just_before_the_loss_is_none(link: Link) -> None:
    """Who asked runs only a turn later, and would go on as if the connection were there."""

    class Ending:
        def call(self, command: object, answered: Callback) -> None:
            answered(b"PONG")
            link._wire = None

    ending: Any = Ending()
    link._wire = ending

    with pytest.raises(LayerUnavailable, match="lost the connection"):
        await link.ask(["PING"])


async def test_a_question_that_is_cancelled_leaves_the_link_as_it_is(
    faulty: Faulty, opened: Link, told: Told
) -> None:
    asking = await asking_for_ever(faulty, opened, "list")

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    faulty.client.rpush(faulty.keys.base + "list", "x")

    assert await opened.ask(["PING"]) == b"PONG"
    assert told.downs == 0


async def test_a_redis_that_accepts_and_never_gets_ready_is_given_up(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READY_TIMEOUT_S", 0.05)
    told = Told()

    async def never() -> None:
        await asyncio.Event().wait()

    link = Link(faulty.settings.place, NAME, never, told.down)
    with pytest.raises(LayerUnavailable, match="accepts connections but does not answer"):
        await link.open()

    assert not link.up
    assert told.downs == 1
    await until(lambda: NAME not in [client["name"] for client in faulty.client.client_list()])


async def test_a_connection_lost_while_it_comes_up_is_an_attempt_that_failed(faulty: Faulty) -> None:
    told = Told()
    ready: list[Link] = []

    async def cut_off() -> None:
        ready[0].reset("cut off")
        await ready[0].ask(["PING"])

    link = Link(faulty.settings.place, NAME, cut_off, told.down)
    ready.append(link)

    with pytest.raises(LayerUnavailable, match="lost the connection"):
        await link.open()
    assert told.downs == 1


async def test_a_connection_that_is_reset_between_its_first_writes_is_an_attempt_that_failed(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, link: Link
) -> None:
    async def reset(connection: object, check_health: bool = True) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    monkeypatch.setattr(AbstractConnection, "on_connect_check_health", reset)

    with pytest.raises(LayerUnavailable, match="the handler is closed"):
        await link.open()
    await until(lambda: NAME not in [client["name"] for client in faulty.client.client_list()])


async def test_a_closed_link_is_not_opened_again(faulty: Faulty, link: Link, told: Told) -> None:
    await link.open()
    await link.close()
    await link.close()

    with pytest.raises(LayerClosed):
        await link.open()
    assert (told.ups, told.downs) == (1, 1)


async def test_a_link_that_is_closed_by_who_is_told_of_the_loss_ends(faulty: Faulty) -> None:
    told = Told()
    link = Link(faulty.settings.place, NAME, told.up, lambda: setattr(link, "_closed", True))
    await link.open()
    keeper = link._keeper
    assert keeper is not None

    faulty.cut([NAME])

    await asyncio.wait_for(keeper, 5)
    assert not link.up
    await link.close()


async def test_a_link_that_is_closed_while_it_connects_leaves_nothing_open(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, opened: Link, told: Told
) -> None:
    coming = asyncio.Event()

    async def hang() -> None:
        coming.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(opened, "_on_up", hang)
    faulty.cut([NAME])
    await asyncio.wait_for(coming.wait(), 5)

    await opened.close()

    assert (opened.up, told.downs) == (False, 2)
    await until(lambda: NAME not in [client["name"] for client in faulty.client.client_list()])


async def test_a_link_whose_opening_is_cancelled_leaves_nothing_open(faulty: Faulty) -> None:
    told = Told()
    for steps in range(12):
        link = Link(faulty.settings.place, NAME, told.up, told.down)
        opening = asyncio.create_task(link.open())
        for _ in range(steps):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await link.close()

    await until(lambda: NAME not in [client["name"] for client in faulty.client.client_list()])
