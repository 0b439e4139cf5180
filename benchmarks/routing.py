"""The handlers that the workloads run through."""

from __future__ import annotations

import asyncio
from time import thread_time
from typing import Final

from trunkline.worker import Group, Message, channel_session, route

WORK_S: Final = 0.002
"""Of a handler that sleeps or burns CPU."""


def echo(message: Message) -> None:
    """Sends a message back."""
    message.reply_channel.send({"text": message.content["text"]})


@channel_session
def echo_with_session(message: Message) -> None:
    """The same, and counts in the connection's session."""
    message.channel_session["count"] = message.channel_session.get("count", 0) + 1
    message.reply_channel.send({"text": message.content["text"]})


def join(message: Message, name: str) -> None:
    """Adds a connection to the path's group."""
    Group(f"bench-{name}").add(message.reply_channel)


def tell(message: Message, name: str) -> None:
    """Sends a message to every member of the path's group."""
    Group(f"bench-{name}").send({"text": message.content["text"]})


def accept(message: Message) -> None:
    """Lets a connection in; that it has been asked is what costs."""


async def sleep(message: Message) -> None:
    """Waits for something else, then sends a message back."""
    await asyncio.sleep(WORK_S)
    message.reply_channel.send({"text": message.content["text"]})


def burn(message: Message) -> None:
    """Computes, then sends a message back."""
    end_s = thread_time() + WORK_S
    while thread_time() < end_s:
        pass
    message.reply_channel.send({"text": message.content["text"]})


channel_routing = [
    route("websocket.receive", echo, path=r"^/echo$"),
    route("websocket.receive", echo_with_session, path=r"^/session$"),
    route("websocket.connect", join, path=r"^/group/(?P<name>\w+)$"),
    route("websocket.receive", tell, path=r"^/group/(?P<name>\w+)$"),
    route("websocket.connect", accept, path=r"^/connect$"),
    route("websocket.receive", echo, path=r"^/connect$"),
    route("websocket.receive", sleep, path=r"^/sleep$"),
    route("websocket.receive", burn, path=r"^/burn$"),
]
