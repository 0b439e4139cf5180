"""The handlers of the workloads as Channels consumers; its settings are `channels_settings`."""

from __future__ import annotations

import asyncio
import time

from channels.consumer import AsyncConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from django.urls import path

WORK_S = 0.002
WORKER_CHANNEL = "echo-worker"


class Echo(AsyncWebsocketConsumer):
    """Sends a message back."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A message."""
        await self.send(text_data=text_data)


class Session(AsyncWebsocketConsumer):
    """The same, and counts in what it keeps of the connection, an attribute."""

    count = 0

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A message."""
        self.count += 1
        await self.send(text_data=text_data)


class Sleep(AsyncWebsocketConsumer):
    """Sends a message back later."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A message."""
        await asyncio.sleep(WORK_S)
        await self.send(text_data=text_data)


class Burn(AsyncWebsocketConsumer):
    """Sends a message back after some work."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A message."""
        burn()
        await self.send(text_data=text_data)


def burn() -> None:
    """Takes CPU time."""
    until = time.thread_time() + WORK_S
    while time.thread_time() < until:
        pass


class Member(AsyncWebsocketConsumer):
    """Sends a message to every member of the path's group."""

    async def connect(self) -> None:
        """A member before the handshake's answer is out: then it misses nothing that is sent after it."""
        self.group = f"bench-{self.scope['url_route']['kwargs']['name']}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A message."""
        await self.channel_layer.group_send(self.group, {"type": "told", "text": text_data})

    async def told(self, event: dict[str, str]) -> None:
        """A message of the group."""
        await self.send(text_data=event["text"])

    async def disconnect(self, code: int) -> None:
        """Not a member any more."""
        await self.channel_layer.group_discard(self.group, self.channel_name)


class ThroughWorker(AsyncWebsocketConsumer):
    """Has a worker answer each message; the path's last word is what the worker does before it answers."""

    async def connect(self) -> None:
        """The consumer accepts: Channels 4 has no way to let a worker decide."""
        self.work = self.scope["url_route"]["kwargs"]["work"]
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A message."""
        message = {"type": self.work, "reply": self.channel_name, "text": text_data}
        await self.channel_layer.send(WORKER_CHANNEL, message)

    async def answered(self, event: dict[str, str]) -> None:
        """The worker's answer."""
        await self.send(text_data=event["text"])


class Worker(AsyncConsumer):
    """What `runworker` runs."""

    async def echo(self, message: dict[str, str]) -> None:
        """Sends a message back to the consumer it came from."""
        await self.channel_layer.send(message["reply"], {"type": "answered", "text": message["text"]})

    async def sleep(self, message: dict[str, str]) -> None:
        """The same, later."""
        await asyncio.sleep(WORK_S)
        await self.echo(message)

    async def burn(self, message: dict[str, str]) -> None:
        """The same, after some work."""
        burn()
        await self.echo(message)


application = ProtocolTypeRouter(
    {
        "websocket": URLRouter(
            [
                path("echo", Echo.as_asgi()),
                path("session", Session.as_asgi()),
                path("sleep", Sleep.as_asgi()),
                path("burn", Burn.as_asgi()),
                path("group/<name>", Member.as_asgi()),
                path("worker/<work>", ThroughWorker.as_asgi()),
            ]
        ),
        "channel": ChannelNameRouter({WORKER_CHANNEL: Worker.as_asgi()}),
    }
)
