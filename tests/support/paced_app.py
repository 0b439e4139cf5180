"""An application whose handlers do what a test wants of them: for tests of load, and of what complains of it."""

from __future__ import annotations

import time

from trunkline.worker import Message, route

SERVICE_S = 0.05


def work(message: Message) -> None:
    """Takes `SERVICE_S`."""
    time.sleep(SERVICE_S)


def block(message: Message) -> None:
    """Holds the event loop for as long as the message says."""
    time.sleep(message.content["seconds"])


def fail(message: Message) -> None:
    """Fails."""
    raise ValueError("as it was asked to")


channel_routing = [route("work", work), route("block", block), route("fail", fail)]
