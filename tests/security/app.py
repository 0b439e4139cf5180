"""Handlers that do with a client's words what careless ones would."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from trunkline.worker import Channel, Group, Message, channel_session, route


def wishes(message: Message) -> dict[str, Any]:
    """The query string, each name with its last value."""
    return {
        name: values[-1] for name, values in parse_qs(message["query_string"], keep_blank_values=True).items()
    }


def request(message: Message) -> None:
    """Shows a request as it arrived."""
    seen = {
        "method": message["method"],
        "path": message["path"],
        "body": message["body"].decode("latin-1"),
        "headers": message["headers"],
        "client": message["client"],
        "scheme": message["scheme"],
    }
    message.reply_channel.send({"status": 200, "content": json.dumps(seen)})


def respond(message: Message) -> None:
    """Lets the client say what it is answered."""
    wish = wishes(message)
    headers = [[wish["name"], wish["value"]]] if "name" in wish else []
    message.reply_channel.send(
        {"status": int(wish.get("status", "200")), "headers": headers, "content": b"ok"}
    )


def accept(message: Message) -> None:
    """Lets the client say how it is accepted."""
    wish = wishes(message)
    verdict: dict[str, Any] = {"accept": True}
    if "name" in wish:
        verdict["headers"] = [[wish["name"], wish["value"]]]
    if "subprotocol" in wish:
        verdict["subprotocol"] = wish["subprotocol"]
    message.reply_channel.send(verdict)
    Group("all").add(message.reply_channel)


@channel_session
def frame(message: Message) -> None:
    """Does what a frame says: echoes, or sends a close reason, or to a reply channel, or keeps a session key."""
    text = message.get("text")
    if text is None:
        message.reply_channel.send({"bytes": message["bytes"]})
        return
    verb, _, rest = text.partition(" ")
    if verb == "reason":
        message.reply_channel.send({"close": 4000, "reason": rest})
    elif verb == "to":
        Channel(rest).send({"text": "forged"})
    elif verb == "json":
        message.reply_channel.send(json.loads(rest))
    elif verb == "keep":
        message.channel_session[rest] = rest
        message.reply_channel.send({"text": "kept"})
    elif verb == "kept":
        message.reply_channel.send({"text": json.dumps(dict(message.channel_session))})
    elif verb == "forward":
        Channel("work").send(json.loads(rest))
    elif verb == "all":
        Group("all").send({"text": rest})
    else:
        message.reply_channel.send({"text": text})


@channel_session
def work(message: Message) -> None:
    """A background handler that trusts the reply channel of its message."""
    if message.reply_channel is not None:
        message.reply_channel.send({"text": f"session {dict(message.channel_session)}"})


channel_routing = [
    route("http.request", respond, path=r"^/respond"),
    route("http.request", request),
    route("websocket.connect", accept),
    route("websocket.receive", frame),
    route("work", work),
]
