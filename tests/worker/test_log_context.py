"""What a handler logs says for which message."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator

import pytest

from tests.support.fake_worker_layer import Desk, frames
from trunkline.worker import Message, Retry, route
from trunkline.worker.log_context import carry_context

RECEIVE = "websocket.receive"
log = logging.getLogger("an.app")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the root logger's handler prints while it carries the context."""
    printed = io.StringIO()
    handler = logging.StreamHandler(printed)
    root = logging.getLogger()
    before = root.level, root.handlers
    root.handlers = [handler]
    root.setLevel("INFO")
    carry_context()
    carry_context()  # twice is as once
    yield printed
    root.level, root.handlers = before


def talking(message: Message) -> None:
    log.info("hello %s", message["text"])


async def talking_async(message: Message) -> None:
    talking(message)


@pytest.mark.parametrize("threads", [0, 1])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_line_of_a_handler_names_channel_route_and_connection(
    lines: io.StringIO, threads: int, asynchronous: bool
) -> None:
    handler = talking_async if asynchronous else talking
    desk = Desk([route(RECEIVE, handler)], threads=threads)
    await desk.effects(frames("world", connection="c9"))
    await desk.dispatcher.drain()
    name = f"{__name__}.{handler.__name__}"
    assert lines.getvalue() == f"hello world channel=websocket.receive route={name} connection=c9\n"


async def test_a_line_outside_of_handlers_is_left_as_it_is(lines: io.StringIO) -> None:
    desk = Desk([route(RECEIVE, lambda message: None)])
    await desk.effects(frames("x"))
    log.info("hello %s", "nobody")
    assert lines.getvalue() == "hello nobody\n"


async def test_a_line_that_names_its_message_does_not_name_it_twice(lines: io.StringIO) -> None:
    def failing(message: Message) -> None:
        raise ValueError

    desk = Desk([route(RECEIVE, failing, on_error=Retry(1, 0))], log_messages=True)
    await desk.effects(frames("x", connection="c9"))
    told = [line for line in lines.getvalue().splitlines() if "connection=" in line]
    assert len(told) == 4  # tried again, handled, failed, handled
    assert all(line.count("connection=c9") == 1 for line in told)
    assert all(re.search(r" ms=\d+\.\d{3}( |$)", line) for line in told), told


async def test_a_line_whose_format_does_not_fit_fails_no_handler(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)

    def careless(message: Message) -> None:
        log.info("%d", "no number")
        message.reply_channel.send({"text": "done"})

    desk = Desk([route(RECEIVE, careless)])
    await desk.effects(frames("x"))
    assert desk.count('messages_total{channel="websocket.receive",outcome="ok"') == 1
