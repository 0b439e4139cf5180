"""Handlers that fail as often as their message says; the retry suite runs them in real workers.

A frame is JSON: ``say`` comes back with the number of the call behind it, the first ``fail`` calls raise, and each call
is noted in the file ``calls``, which tells that number in whatever process it is made.

``/ordered/``      tried again in its turn, first after a fifth of a second
``/patient/``      the same after three seconds
``/free/``         set aside for half a second, without order
``/asking/``       the handler asks to be called again, without a policy
``/background/``   all this in the background
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from trunkline.worker import Channel, Message, Retry, route

PATIENCE_S = 3.0


def _called(told: dict[str, Any]) -> int:
    """Notes a call; how many there were of this message."""
    with open(told["calls"], "a") as notes:
        notes.write(f"{told['say']} {time.time():.3f}\n")
    return len(calls_of(Path(told["calls"]), told["say"]))


def calls_of(notes: Path, say: str) -> list[float]:
    """When the calls for a message were made."""
    lines = [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []
    return [float(when) for said, when in lines if said == say]


def handle(message: Message) -> None:
    told = json.loads(message["text"])
    call = _called(told)
    message.reply_channel.send({"text": f"{told['say']} {call}"})
    if call <= told.get("fail", 0):
        raise RuntimeError(f"call {call} fails, as it was told")


def ask(message: Message) -> None:
    told = json.loads(message["text"])
    call = _called(told)
    if call <= told.get("fail", 0):
        raise Retry(after_s=0.2)
    message.reply_channel.send({"text": f"{told['say']} {call}"})


def order_work(message: Message) -> None:
    Channel("work").send({"reply_channel": message.reply_channel, "text": message["text"]})


channel_routing = [
    route("websocket.receive", handle, path="^/ordered/", on_error=Retry(3, 0.2)),
    route("websocket.receive", handle, path="^/patient/", on_error=Retry(1, PATIENCE_S, jitter=0)),
    route("websocket.receive", handle, path="^/free/", on_error=Retry(3, 0.5, jitter=0), ordered=False),
    route("websocket.receive", ask, path="^/asking/"),
    route("websocket.receive", order_work, path="^/background/"),
    route("work", handle, on_error=Retry(3, 0.5)),
]
