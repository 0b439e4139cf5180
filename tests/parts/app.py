"""What the suite of real programs runs in its workers: the crash suite's handlers, and those that fill every figure.

``/again``  each frame fails once and is tried again
``/late``   each frame closes the connection and sends to it behind that
``/crowd``  each frame joins two groups, one more than the test allows
"""

from __future__ import annotations

from tests.support import fault_app
from trunkline.worker import Group, Message, Retry, route

_failed: set[str] = set()


def again(message: Message) -> None:
    if message.id not in _failed:
        _failed.add(message.id)
        raise RuntimeError("the first call fails")
    fault_app.echo(message)


def late(message: Message) -> None:
    message.reply_channel.send({"close": True})
    message.reply_channel.send({"text": "nobody hears this"})


def crowd(message: Message) -> None:
    for number in range(2):
        Group(f"crowd-{number}").add(message.reply_channel)


def page(message: Message) -> None:
    message.reply_channel.send({"status": 200, "content": b"a page"})


def accept(message: Message) -> None:
    pass


channel_routing = [
    *fault_app.channel_routing,
    route("websocket.connect", accept, path=r"^/(?:again|late|crowd)$"),
    route("websocket.receive", again, path=r"^/again$", on_error=Retry(times=1, backoff_s=0.01)),
    route("websocket.receive", late, path=r"^/late$"),
    route("websocket.receive", crowd, path=r"^/crowd$"),
    route("http.request", page, path=r"^/page$"),
]
