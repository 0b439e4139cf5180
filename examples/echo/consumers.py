"""One handler that sends a frame back to where it came from."""

from __future__ import annotations

from trunkline.worker import Message


def ws_echo(message: Message) -> None:
    """Sends a text frame back as text and a binary frame back as bytes."""
    text = message.content.get("text")
    if text is not None:
        message.reply_channel.send({"text": text})
    else:
        message.reply_channel.send({"bytes": message.content["bytes"]})
