"""Retries and delayed messages from a client's frame to its answer, over both layers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest

from tests.support.sockets import Client
from tests.support.stack import LayerKind, Stack, stack
from tests.support.waiting import until
from trunkline.protocol.settings import LayerSettings
from trunkline.worker import Channel, Message, Retry, channel_session, route
from trunkline.worker.declarations import Routes

Run = Callable[[Routes], AbstractAsyncContextManager[Stack]]


@pytest.fixture(params=["memory", "redis"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs routes on the layer under test, in two workers."""
    layer: LayerKind = request.param
    settings: LayerSettings | None = request.getfixturevalue("layer_settings") if layer == "redis" else None
    # A worker whose event loop stands still for longer than this ends its process, which is the tests' own.
    options = {"handler_timeout_s": 3.0}
    return lambda routes: stack(routes, layer, workers=2, redis=settings, worker_options=options)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Client() as opened:
        yield opened


class Unlucky:
    """A handler whose first two calls for each word that begins with a ``!`` fail."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def __call__(self, message: Message) -> None:
        word = message["text"]
        self.calls[word] += 1
        message.reply_channel.send({"text": f"{word} {self.calls[word]}"})
        if word.startswith("!") and self.calls[word] < 3:
            raise ValueError(word)


class Slow:
    """A handler whose first call takes too long."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, message: Message) -> None:
        self.calls += 1
        if self.calls == 1:
            await asyncio.Event().wait()
        message.reply_channel.send({"text": f"call {self.calls}"})


async def test_in_order_the_later_messages_of_a_connection_wait(run: Run, client: Client) -> None:
    async with run([route("websocket.receive", Unlucky(), on_error=Retry(2, 0.05))]) as running:
        socket = await client.open(running.url("/"))
        for word in ("!a", "b", "!c", "d"):
            await socket.send(word)
        assert await socket.hears(4) == ["!a 3", "b 1", "!c 3", "d 1"]


async def test_without_order_they_go_on(run: Run, client: Client) -> None:
    routes = [route("websocket.receive", Unlucky(), on_error=Retry(2, 0.3, jitter=0), ordered=False)]
    async with run(routes) as running:
        socket = await client.open(running.url("/"))
        for word in ("!a", "b"):
            await socket.send(word)
        assert await socket.hears(2) == ["b 1", "!a 3"]
        assert (await running.operator.stats()).delayed == 0


async def test_without_order_the_last_failure_leaves_a_dead_letter(run: Run, client: Client) -> None:
    routes = [route("websocket.receive", Unlucky(), on_error=Retry(1, 0), ordered=False)]
    async with run(routes) as running:
        socket = await client.open(running.url("/"))
        await socket.send("!a")
        await socket.send("b")
        (letter,) = await until(running.operator.dead_letters)
        assert (letter.reason, letter.error, letter.tries) == ("error", "ValueError: !a", 2)
        assert await socket.hears(1) == ["b 1"]


async def test_what_a_late_call_sends_to_a_connection_that_is_gone_is_dropped(
    run: Run, client: Client
) -> None:
    unlucky = Unlucky()
    routes = [route("websocket.receive", unlucky, on_error=Retry(2, 0.2, jitter=0), ordered=False)]
    async with run(routes) as running:
        socket = await client.open(running.url("/"))
        await socket.send("!a")
        await until(lambda: unlucky.calls["!a"] == 1)
        await socket.close()
        await until(lambda: unlucky.calls["!a"] == 3)
        assert await running.operator.dead_letters() == []


async def test_a_call_that_takes_too_long_is_repeated(run: Run, client: Client) -> None:
    async with run([route("websocket.receive", Slow(), on_error=Retry(1, 0))]) as running:
        socket = await client.open(running.url("/"))
        await socket.send("a")
        assert await socket.hears(1) == ["call 2"]


async def test_a_handshake_waits_for_its_handlers_last_call(run: Run, client: Client) -> None:
    calls: list[str] = []

    def connect(message: Message) -> None:
        calls.append(message["path"])
        if len(calls) < 3:
            raise Retry(after_s=0.01)

    async with run([route("websocket.connect", connect)]) as running:
        await client.open(running.url("/room"))
    assert calls == ["/room"] * 3


async def test_a_request_waits_for_its_handlers_last_call(run: Run) -> None:
    calls: list[str] = []

    def answer(message: Message) -> None:
        calls.append(message["path"])
        message.reply_channel.send({"status": 200, "content": b"call %d" % len(calls)})
        if len(calls) < 3:
            raise ValueError

    async with (
        run([route("http.request", answer, on_error=Retry(2, 0.01))]) as running,
        aiohttp.ClientSession() as session,
        session.get(running.url("/page")) as response,
    ):
        assert (response.status, await response.text()) == (200, "call 3")


async def test_a_disconnect_is_tried_again_with_its_session(run: Run, client: Client) -> None:
    seen: list[str] = []

    @channel_session
    def connect(message: Message) -> None:
        message.channel_session["name"] = "ada"

    @channel_session
    def disconnect(message: Message) -> None:
        seen.append(message.channel_session["name"])
        if len(seen) < 3:
            raise ValueError

    routes = [
        route("websocket.connect", connect),
        route("websocket.disconnect", disconnect, on_error=Retry(2, 0.01)),
    ]
    async with run(routes) as running:
        socket = await client.open(running.url("/"))
        await socket.close()
        await until(lambda: len(seen) == 3)
        assert await running.operator.dead_letters() == []
    assert seen == ["ada"] * 3


async def test_a_background_message_is_tried_again(run: Run, client: Client) -> None:
    def order(message: Message) -> None:
        Channel("work").send({"text": message["text"], "reply_channel": message.reply_channel})

    routes = [
        route("websocket.receive", order),
        route("work", Unlucky(), on_error=Retry(2, 0.05)),
    ]
    async with run(routes) as running:
        socket = await client.open(running.url("/"))
        await socket.send("!a")
        assert await socket.hears(1) == ["!a 3"]


async def test_a_message_sent_with_a_delay_comes_when_it_is_due(run: Run, client: Client) -> None:
    def order(message: Message) -> None:
        content = {"reply_channel": message.reply_channel, "sent_s": time.monotonic()}
        Channel("later").send({**content, "text": "second"}, delay_s=0.4)
        Channel("later").send({**content, "text": "first"}, delay_s=0.2)
        Channel("later").send({**content, "text": "now"})

    waits: list[float] = []

    def later(message: Message) -> None:
        waits.append(time.monotonic() - message["sent_s"])
        message.reply_channel.send({"text": message["text"]})

    async with run([route("websocket.receive", order), route("later", later)]) as running:
        socket = await client.open(running.url("/"))
        await socket.send("go")
        assert await socket.hears(3) == ["now", "first", "second"]
        assert (await running.operator.stats()).delayed_ever == 2
    assert waits[1] >= 0.19 and waits[2] >= 0.39
