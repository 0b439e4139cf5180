"""Handlers of `benchmarks.redis_memory`: each leaves one kind of thing in Redis. A number in the path is bytes."""

from __future__ import annotations

from typing import Final

from trunkline.worker import Channel, Group, Message, channel_session, route

LATER: Final = "bench-later"
LATER_S: Final = 3600.0
"""Longer than any measurement, so that what is delayed stays."""


@channel_session
def keep(message: Message, size: str) -> None:
    """Gives a connection a session of so many bytes."""
    message.channel_session["kept"] = "x" * int(size)


def join_own(message: Message) -> None:
    """Puts a connection into a group that nobody else is in."""
    Group(f"bench-{message.reply_channel.name.partition('!')[2]}").add(message.reply_channel)


def join_one(message: Message) -> None:
    """Puts a connection into the group that all are in."""
    Group("bench-all").add(message.reply_channel)


def take(message: Message) -> None:
    """Does nothing with a message."""


def delay(message: Message) -> None:
    """Sends a message on for later."""
    Channel(LATER).send({"text": message["text"]}, delay_s=LATER_S)


def fail(message: Message) -> None:
    """Fails as a handler does whose message is not what it thought."""
    raise KeyError(message["text"])


channel_routing = [
    route("websocket.connect", keep, path=r"^/session/(?P<size>\d+)$"),
    route("websocket.connect", join_own, path=r"^/own-group$"),
    route("websocket.connect", join_one, path=r"^/one-group$"),
    route("websocket.receive", take, path=r"^/(?:idle|own-group|one-group|session/\d+)$"),
    route("websocket.receive", delay, path=r"^/later$"),
    route("websocket.receive", fail, path=r"^/fail$"),
    route(LATER, take),
]
