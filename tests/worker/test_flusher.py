"""What handlers send before they end."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tests.support.fake_worker_layer import (
    Desk,
    frames,
    payloads,
)
from tests.support.gate import echo
from tests.support.waiting import until
from trunkline.protocol.errors import MessageError
from trunkline.worker import Group, Message, route

RECEIVE = "websocket.receive"


async def test_a_flush_applies_early_and_outlives_what_is_raised_later() -> None:
    async def handler(message: Message) -> None:
        Group("room").send({"text": "early"})
        await message.flush()
        echo(message)
        raise ValueError

    desk = Desk([route(RECEIVE, handler)])
    given = frames("late")
    found = await desk.effects(given)
    assert [(payloads(effects), within) for effects, within in desk.layer.applied] == [(["early"], given)]
    assert payloads(found) == []


async def test_a_flush_waits_until_it_is_applied() -> None:
    async def handler(message: Message) -> None:
        echo(message)
        await message.flush()
        message.reply_channel.send({"text": "after"})

    desk = Desk([route(RECEIVE, handler)])
    desk.layer.answers = False
    given = frames("early")
    desk.give(given)
    await until(lambda: desk.layer.applied)
    assert given.id not in desk.outcomes
    desk.layer.answer()
    assert payloads((await desk.handled(given))[0]) == ["after"]


@pytest.mark.parametrize("options", [{}, {"threads": 1}])
async def test_what_is_sent_immediately_outlives_what_is_raised_later(options: dict[str, Any]) -> None:
    applied = threading.Event()

    def handler(message: Message) -> None:
        message.reply_channel.send({"text": "now"}, immediately=True)
        if options:
            applied.wait(10)  # it goes out while the handler is still at work
        raise ValueError

    async def handler_async(message: Message) -> None:
        message.reply_channel.send({"text": "now"}, immediately=True)
        await asyncio.sleep(0)
        raise ValueError

    desk = Desk([route(RECEIVE, handler if options else handler_async)], **options)
    given = frames("x")
    desk.give(given)
    await until(lambda: desk.layer.applied)
    applied.set()
    (found,) = await desk.handled(given)
    assert [payloads(effects) for effects, _ in desk.layer.applied] == [["now"]]
    assert payloads(found) == []
    await desk.dispatcher.drain()


async def test_what_a_def_handler_on_the_loop_sends_immediately_goes_out_with_its_end() -> None:
    def handler(message: Message) -> None:
        message.reply_channel.send({"text": "now"}, immediately=True)

    desk = Desk([route(RECEIVE, handler)])
    assert payloads(await desk.effects(frames("x"))) == ["now"]
    await asyncio.sleep(0)
    assert desk.layer.applied == []


async def test_nothing_can_be_sent_by_what_a_handler_left_behind() -> None:
    refused: list[Exception] = []

    async def later(message: Message) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        try:
            message.reply_channel.send({"text": "too late"})
        except MessageError as error:
            refused.append(error)

    left: set[asyncio.Task[None]] = set()

    def handler(message: Message) -> None:
        left.add(asyncio.get_running_loop().create_task(later(message)))

    desk = Desk([route(RECEIVE, handler)])
    assert payloads(await desk.effects(frames("x"))) == []
    await until(lambda: refused)
    assert "has ended" in str(refused[0])
