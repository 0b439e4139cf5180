"""The handlers under the soak's load. A frame says what its handler does: ``NUMBER VERB ROOM``.

Whatever is handled is also written to the background channel ``ledger``, which no worker serves: the soak reads it from
Redis itself. What a handler sends is applied in one step with the acknowledgement of its message, so the ledger is the
order in which everything was committed, and it outlives every process.
"""

from __future__ import annotations

from collections.abc import Callable

from trunkline.worker import Channel, Group, Message, channel_session, route

LEDGER = "ledger"
TALLY = "tally"
DELAY_S = 0.3


def _note(kind: str, **content: str | int) -> None:
    Channel(LEDGER).send({"kind": kind, **content})


@channel_session
def connect(message: Message, room: str) -> None:
    # Names are no part of the path: workers remember the routes of some thousand paths, and a memory that fills would
    # look like a leak.
    name = message.channel_session["name"] = message["query_string"]
    Group(room).add(message.reply_channel)
    _note("here", name=name, room=room)


def _echo(message: Message, room: str, name: str, number: str) -> None:
    """The reply alone."""


def _join(message: Message, room: str, name: str, number: str) -> None:
    Group(room).add(message.reply_channel)


def _leave(message: Message, room: str, name: str, number: str) -> None:
    Group(room).discard(message.reply_channel)


def _visit(message: Message, room: str, name: str, number: str) -> None:
    """In and out again; a group that has no other member here comes and goes with it."""
    _join(message, room, name, number)
    _leave(message, room, name, number)


def _say(message: Message, room: str, name: str, number: str) -> None:
    Group(room).send({"text": f"!{name} {number}"})


def _tally(message: Message, room: str, name: str, number: str) -> None:
    Channel(TALLY).send({"name": name, "number": int(number)})


def _later(message: Message, room: str, name: str, number: str) -> None:
    Channel(TALLY).send({"name": name, "number": int(number)}, delay_s=DELAY_S)


VERBS: dict[str, Callable[[Message, str, str, str], None]] = {
    "echo": _echo,
    "join": _join,
    "leave": _leave,
    "visit": _visit,
    "say": _say,
    "tally": _tally,
    "later": _later,
}
TALLIED = frozenset({"tally", "later"})
"""Verbs that send to the background channel."""


@channel_session
def frame(message: Message, room: str) -> None:
    number, verb, where = message["text"].split()
    session = message.channel_session
    name = session["name"]
    counted = session["counted"] = session.get("counted", 0) + 1
    message.reply_channel.send({"text": f"{number} {counted}"})
    _note("note", name=name, number=int(number), verb=verb, room=where, counted=counted)
    VERBS[verb](message, where, name, number)


@channel_session
def disconnect(message: Message, room: str) -> None:
    session = message.channel_session
    name = session.get("name", "(no session)")
    _note("gone", name=name, code=message["code"], counted=session.get("counted", 0))


def tally(message: Message) -> None:
    _note("tally", name=message["name"], number=message["number"])


_PATH = r"^/(?P<room>[\w-]+)$"

channel_routing = [
    route("websocket.connect", connect, path=_PATH),
    route("websocket.receive", frame, path=_PATH),
    route("websocket.disconnect", disconnect, path=_PATH),
    route(TALLY, tally),
]
