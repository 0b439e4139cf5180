"""The handlers behind the proxies.

``/echo/NAME``     each frame comes back
``/who``           what the handshake said of its client comes as the first frame
``/slow/POLICY``   a frame has `FLOOD` messages of `FLOOD_BYTES` sent; POLICY is what a client loses that reads slowly
``/never``         a handshake nobody answers
``/observe``       hears ``METHOD PORT`` of each request for ``/hang``, PORT being the interface server's
``/hang``          a request that is never answered
``/busy``          answers 503 with a Retry-After of its own, and counts
``/count``         answers how often ``/busy`` was asked
anything else      a request is shown as it arrived
"""

from __future__ import annotations

import asyncio
import json

from trunkline.worker import Group, Message, route

FLOOD = 250
FLOOD_BYTES = 20_000
OBSERVERS = "observers"
RETRY_AFTER = "7"

_asked = {"busy": 0}


def accept(message: Message) -> None:
    message.reply_channel.send({"accept": True})


def echo(message: Message) -> None:
    message.reply_channel.send({"text": message["text"]})


def who(message: Message) -> None:
    seen = {name: message[name] for name in ("client", "scheme", "headers")}
    message.reply_channel.send({"text": json.dumps(seen)})


def slow(message: Message, policy: str) -> None:
    message.reply_channel.send({"accept": True, "outbound": policy})


def flood(message: Message) -> None:
    for number in range(FLOOD):
        message.reply_channel.send({"text": f"{message['text']} {number} ".ljust(FLOOD_BYTES, ".")})


async def never(message: Message) -> None:
    await asyncio.Event().wait()


def observe(message: Message) -> None:
    Group(OBSERVERS).add(message.reply_channel)


def hang(message: Message) -> None:
    Group(OBSERVERS).send({"text": f"{message['method']} {message['server'][1]}"})


def busy(message: Message) -> None:
    _asked["busy"] += 1
    headers = [["retry-after", RETRY_AFTER]]
    message.reply_channel.send({"status": 503, "headers": headers, "content": "busy"})


def count(message: Message) -> None:
    message.reply_channel.send({"status": 200, "content": str(_asked["busy"])})


def show(message: Message) -> None:
    seen = {name: message[name] for name in ("method", "path", "client", "scheme", "headers")}
    seen["body"] = message["body"].decode()
    message.reply_channel.send({"status": 200, "content": json.dumps(seen)})


channel_routing = [
    route("websocket.connect", accept, path=r"^/echo/"),
    route("websocket.connect", who, path=r"^/who$"),
    route("websocket.connect", slow, path=r"^/slow/(?P<policy>\w+)$"),
    route("websocket.connect", never, path=r"^/never$"),
    route("websocket.connect", observe, path=r"^/observe$"),
    route("websocket.receive", echo, path=r"^/echo/"),
    route("websocket.receive", flood, path=r"^/slow/"),
    route("http.request", hang, path=r"^/hang$"),
    route("http.request", busy, path=r"^/busy$"),
    route("http.request", count, path=r"^/count$"),
    route("http.request", show),
]
