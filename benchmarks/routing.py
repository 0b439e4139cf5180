"""The handlers that the workloads run through."""

from __future__ import annotations

from trunkline.worker import Group, Message, channel_session, route


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


channel_routing = [
    route("websocket.receive", echo, path=r"^/echo$"),
    route("websocket.receive", echo_with_session, path=r"^/session$"),
    route("websocket.connect", join, path=r"^/group/(?P<name>\w+)$"),
    route("websocket.receive", tell, path=r"^/group/(?P<name>\w+)$"),
]
