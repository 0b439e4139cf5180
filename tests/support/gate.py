"""Handlers that many tests of workers share: one that echoes, one that a test holds up."""

from __future__ import annotations

import asyncio

from trunkline.worker import Message


def echo(message: Message) -> None:
    """Sends back what came."""
    message.reply_channel.send({"text": message["text"]})


class Gate:
    """An async handler that a test lets through, and that says who is inside.

    Attributes:
        open: set it to let everybody through.
        inside: texts of the messages at work.
        most: how many were at work together at most.
    """

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.inside: list[str] = []
        self.most = 0

    async def handler(self, message: Message) -> None:
        """Waits until the gate is open, then echoes."""
        self.inside.append(message["text"])
        self.most = max(self.most, len(self.inside))
        try:
            await self.open.wait()
        finally:
            self.inside.remove(message["text"])
        echo(message)
