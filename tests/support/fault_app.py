"""The handlers that the end-to-end and crash suites run in real workers.

``/observe``     hears of every connection that is gone
``/echo/NAME``   each frame comes back
``/count/NAME``  the same, behind it how many frames the connection's session has counted
``/group/NAME``  each frame goes to everybody in the group of that name
``/trouble/NAME`` a frame names what its handler does, see `TROUBLES`

Every connection is in the group ``everybody``, to which the background channel ``announce`` sends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable

from trunkline.worker import Channel, DenyConnection, Group, Message, channel_session, route

EVERYBODY = "everybody"
OBSERVERS = "observers"
SLOW_S = 2.0


def observe(message: Message) -> None:
    Group(OBSERVERS).add(message.reply_channel)


@channel_session
def connect(message: Message, name: str) -> None:
    message.channel_session["name"] = name
    Group(EVERYBODY).add(message.reply_channel)


@channel_session
def disconnect(message: Message) -> None:
    name = message.channel_session.get("name", "(no session)")
    Group(OBSERVERS).send({"text": f"{name} {message['code']}"})


def _frame(message: Message) -> dict[str, str | bytes]:
    return {"bytes": message["bytes"]} if "bytes" in message else {"text": message["text"]}


def echo(message: Message) -> None:
    message.reply_channel.send(_frame(message))


@channel_session
def count(message: Message) -> None:
    counted = message.channel_session.get("counted", 0) + 1
    message.channel_session["counted"] = counted
    message.reply_channel.send({"text": f"{message['text']} {counted}"})


def join(message: Message, name: str) -> None:
    Group(name).add(message.reply_channel)


def to_group(message: Message, name: str) -> None:
    Group(name).send(_frame(message))


def announce(message: Message) -> None:
    Group(EVERYBODY).send({"text": message["text"]})


def announcing(message: Message) -> None:
    Channel("announce").send({"text": message["text"]})


# ---- trouble ----


def _raise(message: Message) -> None:
    message.reply_channel.send({"text": "never sent"})
    raise RuntimeError("as it was told")


def _nonsense(message: Message) -> None:
    message.reply_channel.send("no dict")


def _unknown_key(message: Message) -> None:
    message.reply_channel.send({"txet": "a typing error"})


def _die(message: Message) -> None:
    os._exit(9)


def _die_once(message: Message) -> None:
    if not message.redelivered:
        os._exit(9)
    echo(message)


def _pause_once(message: Message) -> None:
    if not message.redelivered:
        os.kill(os.getpid(), signal.SIGSTOP)
    echo(message)


def stuck_in_a_loop(message: Message) -> None:
    while not message.redelivered:
        time.sleep(0.01)
    echo(message)


def _slow(message: Message) -> None:
    time.sleep(SLOW_S)
    echo(message)


TROUBLES: dict[str, Callable[[Message], None]] = {
    "raise": _raise,
    "nonsense": _nonsense,
    "unknown key": _unknown_key,
    "die": _die,
    "die once": _die_once,
    "pause once": _pause_once,
    "stuck": stuck_in_a_loop,
    "slow": _slow,
}


def trouble(message: Message) -> None:
    """Does what the text says; anything else comes back."""
    TROUBLES.get(message.get("text", ""), echo)(message)


async def waiting_for_ever(message: Message) -> None:
    if message["text"] == "wait":
        await asyncio.Event().wait()
    echo(message)


def connect_badly(message: Message) -> None:
    raise RuntimeError("the connect handler fails")


def refuse(message: Message) -> None:
    raise DenyConnection


def accept_nonsense(message: Message) -> None:
    message.reply_channel.send({"accept": "perhaps"})


channel_routing = [
    route("websocket.connect", observe, path=r"^/observe$"),
    route("websocket.connect", connect_badly, path=r"^/connect-fails$"),
    route("websocket.connect", refuse, path=r"^/refuse$"),
    route("websocket.connect", accept_nonsense, path=r"^/accept-nonsense$"),
    route("websocket.connect", join, path=r"^/group/(?P<name>[\w-]+)$"),
    route("websocket.connect", connect, path=r"^/(?:echo|count|announce|trouble|waiting)/(?P<name>[\w-]+)$"),
    route("websocket.receive", echo, path=r"^/echo/"),
    route("websocket.receive", count, path=r"^/count/"),
    route("websocket.receive", to_group, path=r"^/group/(?P<name>[\w-]+)$"),
    route("websocket.receive", announcing, path=r"^/announce/"),
    route("websocket.receive", trouble, path=r"^/trouble/"),
    route("websocket.receive", waiting_for_ever, path=r"^/waiting/"),
    route("websocket.disconnect", disconnect, path=r"^/(?:echo|count|announce|trouble|waiting)/"),
    route("announce", announce),
]
