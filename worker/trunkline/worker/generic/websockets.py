"""Consumer classes for WebSockets, in the shape of Channels 1.x (``channels.generic.websockets``).

Each hook (`connect`, `receive`, `disconnect`) may be `def` or `async def`. The ``raw_`` methods around them do what has
to be done before: joining and leaving groups, taking frames apart.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar

from trunkline.protocol.errors import MessageError

from ..channels import Group, ReplyChannel
from ..message import Message
from .base import BaseConsumer

__all__ = ["BaseConsumer", "JsonWebsocketConsumer", "WebsocketConsumer"]


class WebsocketConsumer(BaseConsumer):
    """Handles all messages of a WebSocket.

    Attributes:
        groups: names of groups every connection is in; `connection_groups` may say more.
        strict_ordering: accepted and without effect, events are always handled in order.
        slight_ordering: accepted and without effect.
    """

    method_mapping: ClassVar[Mapping[str, str]] = {
        "websocket.connect": "raw_connect",
        "websocket.receive": "raw_receive",
        "websocket.disconnect": "raw_disconnect",
    }
    hooks: ClassVar[Mapping[str, str]] = {
        "raw_connect": "connect",
        "raw_receive": "receive",
        "raw_disconnect": "disconnect",
    }
    groups: ClassVar[Iterable[str] | None] = None
    strict_ordering: ClassVar[bool] = False
    slight_ordering: ClassVar[bool] = False

    @classmethod
    def arguments(cls, method: str) -> Collection[str]:
        """`receive` gets the frame and not the message."""
        return ("text",) if method == "receive" else ()

    def connection_groups(self, **kwargs: Any) -> Iterable[str]:
        """Names of the groups this connection joins when it connects and leaves when it disconnects."""
        return self.groups or ()

    def raw_connect(self, message: Message, **kwargs: Any) -> Any:
        """Joins the groups and calls `connect`."""
        for group in self.connection_groups(**kwargs):
            Group(group).add(self._reply())
        return self.connect(message, **kwargs)

    # The hooks take anything, so that a subclass may take just what its route captures.

    def connect(self, *args: Any, **kwargs: Any) -> Any:
        """``connect(message, **captured)``: a connection wants to open. It is accepted unless this refuses."""
        self._reply().send({"accept": True})

    def raw_receive(self, message: Message, **kwargs: Any) -> Any:
        """Takes the frame out of the message and calls `receive`."""
        if "text" in message:
            return self.receive(text=message["text"], **kwargs)
        return self.receive(bytes=message["bytes"], **kwargs)

    def receive(self, *args: Any, **kwargs: Any) -> Any:
        """``receive(text=None, bytes=None, **captured)``: a frame has come, one of the two."""

    def raw_disconnect(self, message: Message, **kwargs: Any) -> Any:
        """Leaves the groups and calls `disconnect`."""
        for group in self.connection_groups(**kwargs):
            Group(group).discard(self._reply())
        return self.disconnect(message, **kwargs)

    def disconnect(self, *args: Any, **kwargs: Any) -> Any:
        """``disconnect(message, **captured)``: the connection is gone; ``message["code"]`` says how."""

    def send(self, text: str | None = None, bytes: bytes | None = None, close: bool | int = False) -> None:
        """Sends a frame to this connection, and closes it behind that if ``close`` says so.

        Raises:
            MessageError: neither text nor bytes, or both, or of a wrong type.
        """
        self._reply().send(_frame(text, bytes, close))

    @classmethod
    def group_send(
        cls, name: str, text: str | None = None, bytes: bytes | None = None, close: bool | int = False
    ) -> None:
        """Sends a frame to a group.

        Raises:
            MessageError: neither text nor bytes, or both, or of a wrong type.
        """
        Group(name).send(_frame(text, bytes, close))

    def close(self, status: bool | int = True) -> None:
        """Closes this connection, with a close code if one is given; in `connect` it refuses the handshake."""
        self._reply().send({"close": status})

    def _reply(self) -> ReplyChannel:
        reply: ReplyChannel | None = self.message.reply_channel
        if reply is None:
            raise MessageError(f"{self.message!r} has no reply channel: no WebSocket stands behind it")
        return reply


class JsonWebsocketConsumer(WebsocketConsumer):
    """A `WebsocketConsumer` whose frames are JSON, in both directions. A binary frame is an error."""

    # `send` and `group_send` take content where those of `WebsocketConsumer` take text, as in Channels 1.x, where this
    # is a subclass of that too: no signature fits both, and types may say so to who mixes them up.

    @classmethod
    def arguments(cls, method: str) -> Collection[str]:
        """`receive` gets the decoded content in the message's place, by position."""
        return ()

    def raw_receive(self, message: Message, **kwargs: Any) -> Any:
        """Decodes the frame and calls `receive`.

        Raises:
            ValueError: the frame is binary, or no JSON.
        """
        if "text" not in message:
            raise ValueError("a binary frame came to a JsonWebsocketConsumer: expected text")
        return self.receive(self.decode_json(message["text"]), **kwargs)

    def receive(self, *args: Any, **kwargs: Any) -> Any:
        """``receive(content, **captured)``: a frame has come, decoded."""

    def send(self, content: Any, close: bool | int = False) -> None:  # type: ignore[override]
        """Sends something as JSON to this connection."""
        super().send(text=self.encode_json(content), close=close)

    @classmethod
    def group_send(cls, name: str, content: Any, close: bool | int = False) -> None:  # type: ignore[override]
        """Sends something as JSON to a group."""
        WebsocketConsumer.group_send(name, text=cls.encode_json(content), close=close)

    @classmethod
    def decode_json(cls, text: str) -> Any:
        """From the text of a frame."""
        return json.loads(text)

    @classmethod
    def encode_json(cls, content: Any) -> str:
        """To the text of a frame."""
        return json.dumps(content)


def _frame(text: str | None, data: bytes | None, close: bool | int) -> dict[str, Any]:
    if text is None and data is None:
        raise MessageError("send() got neither text nor bytes: pass one of them")
    frame: dict[str, Any] = {"close": close} if close else {}
    if text is not None:
        frame["text"] = text
    if data is not None:
        frame["bytes"] = data
    return frame
