"""Handlers whose traces are looked at. The last part of the path says what each frame does."""

from __future__ import annotations

import logging

from opentelemetry import trace

from trunkline.worker import Channel, Group, Message, Retry, route

ALL = "all"
log = logging.getLogger("tests.app")


def connect(message: Message) -> None:
    Group(ALL).add(message.reply_channel)


def echo(message: Message) -> None:
    log.info("an echo of letters=%d", len(message["text"]))
    with trace.get_tracer("an.app").start_as_current_span("of the handler"):
        message.reply_channel.send({"text": message["text"]})


async def shout(message: Message) -> None:
    Group(ALL).send({"text": message["text"]})


def later(message: Message) -> None:
    Channel("later").send({"text": message["text"]}, delay_s=0.05)


def from_later(message: Message) -> None:
    Group(ALL).send({"text": f"later {message['text']}"})


def again(message: Message) -> None:
    Channel("again").send({"text": message["text"]})


def from_again(message: Message) -> None:
    if message.redelivered or _failed_before(message):
        Group(ALL).send({"text": f"again {message['text']}"})
        return
    raise Retry(times=2, after_s=0.05)


def _failed_before(message: Message) -> bool:
    before = message.id in _SEEN
    _SEEN.add(message.id)
    return before


_SEEN: set[str] = set()


def fail(message: Message) -> None:
    raise ValueError("as asked")


channel_routing = [
    route("websocket.connect", connect),
    route("websocket.receive", echo, path="^/echo$"),
    route("websocket.receive", shout, path="^/shout$"),
    route("websocket.receive", later, path="^/later$"),
    route("websocket.receive", again, path="^/again$"),
    route("websocket.receive", fail, path="^/fail$"),
    route("later", from_later),
    route("again", from_again),
]
