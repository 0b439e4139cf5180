"""The example chat's handlers; its page has tests of its own."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from examples.chat.consumers import MAX_USERNAME_LENGTH
from tests.support.sockets import Client, Socket
from tests.support.stack import Run
from tests.support.waiting import until

CHAT = "examples.chat.routing"


async def heard(socket: Socket) -> list[Any]:
    """All that a socket heard until the server closed it."""
    return [json.loads(frame) for frame in await socket.ended()]


async def test_a_room_hears_its_messages_through_every_interface_server(run: Run) -> None:
    async with Client() as client:
        async with run(CHAT) as running:
            ada = await client.open(running.url("/chat/tea?username=ada", interface=0))
            grace = await client.open(running.url("/chat/tea?username=grace", interface=1))
            elsewhere = await client.open(running.url("/chat/coffee?username=ken", interface=1))
            await ada.send("hello")
            await grace.hears(1)
            await grace.send("hello yourself")
            await ada.hears(2)
            await grace.hears(2)
        conversation = [
            {"message": "hello", "username": "ada"},
            {"message": "hello yourself", "username": "grace"},
        ]
        assert await heard(ada) == await heard(grace) == conversation
        assert await heard(elsewhere) == []


async def test_who_asks_for_it_is_told_who_comes_and_goes_and_others_are_not(run: Run) -> None:
    async with Client() as client:
        async with run(CHAT) as running:
            ada = await client.open(running.url("/chat/tea?username=ada&presence=1"))
            plain = await client.open(running.url("/chat/tea?username=plain"))
            grace = await client.open(running.url("/chat/tea?username=grace", interface=1))
            await ada.hears(3)
            await grace.close()
            await ada.hears(4)
            assert [json.loads(frame) for frame in ada.heard] == [
                {"event": "joined", "username": "ada"},
                {"event": "joined", "username": "plain"},
                {"event": "joined", "username": "grace"},
                {"event": "left", "username": "grace"},
            ]
        assert await heard(plain) == []


async def test_without_a_name_one_neither_hears_nor_is_heard(run: Run) -> None:
    async with Client() as client, run(CHAT) as running:
        ada = await client.open(running.url("/chat/tea?username=ada&presence=1"))
        nameless = await client.open(running.url("/chat/tea?username="))
        await nameless.send("boo")
        # Two connects and the message.
        await until(lambda: sum(running.handled()) == 3)
        await nameless.close()
        await until(lambda: sum(running.handled()) == 4)
        await ada.send("nobody here")
        await ada.hears(2)
        assert nameless.heard == []
        assert [json.loads(frame) for frame in ada.heard] == [
            {"event": "joined", "username": "ada"},
            {"message": "nobody here", "username": "ada"},
        ]


async def test_a_binary_frame_is_no_message(run: Run) -> None:
    async with Client() as client:
        async with run(CHAT) as running:
            ada = await client.open(running.url("/chat/tea?username=ada"))
            await ada.send(b"\x00\xff")
            await ada.send("text")
            await ada.hears(1)
            assert (await running.operator.stats()).dead_letters == 0
        assert await heard(ada) == [{"message": "text", "username": "ada"}]


async def test_a_name_is_cut_to_its_bound(run: Run) -> None:
    async with Client() as client, run(CHAT) as running:
        endless = await client.open(running.url(f"/chat/tea?username={'x' * 1000}"))
        await endless.send("hello")
        (frame,) = await endless.hears(1)
        assert json.loads(frame)["username"] == "x" * MAX_USERNAME_LENGTH


@pytest.mark.parametrize("path", ["/", "/chat/", "/chat/two/rooms", "/chat/no-dashes", "/elsewhere"])
async def test_a_path_that_is_no_room_is_refused_as_not_found(run: Run, path: str) -> None:
    async with Client() as client, run(CHAT) as running:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.open(running.url(f"{path}?username=ada"))
        assert refused.value.status == 404
