"""The handlers under the fault suite's load. Every frame is numbered in its connection, and has effects of each kind.

``/witness``            hears of every disconnect and of every message on a background channel
``/talk/ROOM/NAME``     what the comments at `_effects` say
``/early/ROOM/NAME``    the same, some of it sent before its handler ends
``/slow/ROOM/NAME``     the same, some handlers take as long as a worker's lease
``/stuck/ROOM/NAME``    as ``/slow/``, but they hold the event loop
"""

from __future__ import annotations

import asyncio
import time

from trunkline.worker import Channel, Group, Message, channel_session, route

WITNESSES = "witnesses"
GROUP_EVERY, BACKGROUND_EVERY, DELAYED_EVERY, EARLY_EVERY, SLOW_AT = 4, 4, 8, 8, 9
DELAY_S = 0.2
LEASE_LIKE_S = (1.0, 1.2, 1.5, 2.0)
"""How long slow handlers take: around the 1.2 s of a worker's lease."""


def is_group_send(number: int) -> bool:
    """Whether the frame of this number is sent to its connection's room."""
    return number % GROUP_EVERY == 1


def is_background_send(number: int) -> bool:
    """Whether the frame of this number goes to the background channel, every other time with a delay."""
    return number % BACKGROUND_EVERY == 3


def is_early(number: int) -> bool:
    """Whether an ``/early/`` handler of this number sends before it ends."""
    return number % EARLY_EVERY == 5


def witness(message: Message) -> None:
    Group(WITNESSES).add(message.reply_channel)


@channel_session
def join(message: Message, room: str, name: str) -> None:
    message.channel_session["name"] = name
    Group(room).add(message.reply_channel)


def _reply(message: Message) -> None:
    """The session counts frames, so its writes show in the replies: a number, and how many were counted with it."""
    session = message.channel_session
    counted = session["counted"] = session.get("counted", 0) + 1
    message.reply_channel.send({"text": f"{message['text']} {counted}"})


def _effects(message: Message, room: str, name: str) -> None:
    number = int(message["text"])
    if is_group_send(number):
        Group(room).send({"text": f"!{name} {number}"})
    if is_background_send(number):
        delay_s = DELAY_S if number % DELAYED_EVERY == BACKGROUND_EVERY - 1 else 0.0
        Channel("tally").send({"name": name, "number": number}, delay_s=delay_s)


@channel_session
def talk(message: Message, room: str, name: str) -> None:
    _reply(message)
    _effects(message, room, name)


@channel_session
async def early(message: Message, room: str, name: str) -> None:
    if is_early(int(message["text"])):
        Group(room).send({"text": f"?{name} {message['text']}"})
        await message.flush()
    _reply(message)
    _effects(message, room, name)


def _slowness_s(message: Message, name: str) -> float:
    """One frame of every tenth connection takes long."""
    if message["text"] != str(SLOW_AT) or not name.endswith("0"):
        return 0.0
    return LEASE_LIKE_S[int(name[-2]) % len(LEASE_LIKE_S)] if name[-2].isdecimal() else LEASE_LIKE_S[0]


@channel_session
async def slow(message: Message, room: str, name: str) -> None:
    await asyncio.sleep(_slowness_s(message, name))
    _reply(message)
    _effects(message, room, name)


@channel_session
def stuck(message: Message, room: str, name: str) -> None:
    time.sleep(_slowness_s(message, name))
    _reply(message)
    _effects(message, room, name)


@channel_session
def leave(message: Message, room: str, name: str) -> None:
    counted = message.channel_session.get("counted", 0)
    Group(WITNESSES).send({"text": f"gone {name} {message['code']} {counted}"})


def tally(message: Message) -> None:
    Group(WITNESSES).send({"text": f"tally {message['name']} {message['number']}"})


_PATH = r"(?P<room>[\w-]+)/(?P<name>[\w-]+)$"

channel_routing = [
    route("websocket.connect", witness, path=r"^/witness$"),
    route("websocket.connect", join, path=rf"^/(?:talk|early|slow|stuck)/{_PATH}"),
    route("websocket.receive", talk, path=rf"^/talk/{_PATH}"),
    route("websocket.receive", early, path=rf"^/early/{_PATH}"),
    route("websocket.receive", slow, path=rf"^/slow/{_PATH}"),
    route("websocket.receive", stuck, path=rf"^/stuck/{_PATH}"),
    route("websocket.disconnect", leave, path=rf"^/(?:talk|early|slow|stuck)/{_PATH}"),
    route("tally", tally),
]
