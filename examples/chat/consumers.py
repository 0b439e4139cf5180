"""Handlers of the chat: enter a room under a name, talk to everybody in it, leave.

A frame a client sends is plain text. What the room receives is JSON: ``{"message": …, "username": …}``.
Clients that ask for it with ``&presence=1``, as the page does, are also told who comes and goes:
``{"event": "joined" | "left", "username": …}``. Others see messages and nothing else.
"""

from __future__ import annotations

import json
import logging
from urllib import parse

from trunkline.worker import Group, Message, channel_session

logger = logging.getLogger(__name__)

TALK = "chat-%s"
"""Group of everybody in a room."""

PRESENCE = "presence-%s"
"""Group of those in a room who want to be told who comes and goes."""

MAX_USERNAME_LENGTH = 40
"""A name goes out with every message, so its length is multiplied by messages and by readers."""


@channel_session
def ws_add(message: Message, room: str) -> None:
    """Lets a named connection into its room. Without a name it stays connected but takes no part."""
    query = parse.parse_qs(message["query_string"])
    if "username" not in query:
        return
    username = query["username"][0][:MAX_USERNAME_LENGTH]
    logger.info("Adding %s to room %s", username, room)
    message.channel_session["room"] = room
    message.channel_session["username"] = username
    Group(TALK % room).add(message.reply_channel)
    if "presence" in query:
        Group(PRESENCE % room).add(message.reply_channel)
    _announce("joined", room, username)


@channel_session
def ws_echo(message: Message) -> None:
    """Passes a text frame on to everybody in the sender's room, the sender included."""
    text = message.content.get("text")
    if text is None or "username" not in message.channel_session:
        return
    room = message.channel_session["room"]
    username = message.channel_session["username"]
    logger.info("Passing on %d characters from %s in room %s", len(text), username, room)
    Group(TALK % room).send({"text": json.dumps({"message": text, "username": username})})


@channel_session
def ws_leave(message: Message) -> None:
    """Tells the room that somebody has gone. A connection leaves its groups by itself as it ends."""
    if "username" not in message.channel_session:
        return
    room = message.channel_session["room"]
    username = message.channel_session["username"]
    logger.info("%s left room %s with code %s", username, room, message.content.get("code"))
    _announce("left", room, username)


def _announce(event: str, room: str, username: str) -> None:
    Group(PRESENCE % room).send({"text": json.dumps({"event": event, "username": username})})
