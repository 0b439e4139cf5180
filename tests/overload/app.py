"""Handlers for the overload suite.

``/echo/NAME``   each frame comes back
``/busy/NAME``   the same, after a while of work that nothing else can be done beside
``/groups/NAME`` each text names groups to join
``/flood/NAME``  each text is a number: so many kilobytes come back
"""

from __future__ import annotations

import time

from trunkline.worker import Group, Message, route

WORK_S = 0.005
"""A worker handles 200 such messages a second."""


def accept(message: Message, name: str) -> None:
    """Lets everybody in."""


def echo(message: Message) -> None:
    message.reply_channel.send(
        {"bytes": message["bytes"]} if "bytes" in message else {"text": message["text"]}
    )


def work(message: Message) -> None:
    time.sleep(WORK_S)
    message.reply_channel.send({"text": message["text"]})


def join(message: Message) -> None:
    for name in message["text"].split():
        Group(name).add(message.reply_channel)
    message.reply_channel.send({"text": "joined"})


def flood(message: Message) -> None:
    message.reply_channel.send({"text": "x" * (1000 * int(message["text"]))})


channel_routing = [
    route("websocket.connect", accept, path=r"^/(?:echo|busy|groups|flood)/(?P<name>[\w-]+)$"),
    route("websocket.receive", echo, path=r"^/echo/"),
    route("websocket.receive", work, path=r"^/busy/"),
    route("websocket.receive", join, path=r"^/groups/"),
    route("websocket.receive", flood, path=r"^/flood/"),
]
