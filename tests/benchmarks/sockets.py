"""Transports and dialects for tests of the generator."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from benchmarks.dialect import RUN, Dialect, Step
from benchmarks.speech import Speech

PLAIN = "benchmarks.dialect:PLAIN"


class Collecting(asyncio.Transport):
    """A transport that only collects."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.protocol: asyncio.BaseProtocol | None = None
        self.closed = False

    def write(self, data: Any) -> None:
        """Keeps it."""
        self.written.append(bytes(data))

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Keeps it."""
        self.protocol = protocol

    def is_closing(self) -> bool:
        """Whether somebody closed it."""
        return self.closed

    def close(self) -> None:
        """Keeps that."""
        self.closed = True

    def get_write_buffer_size(self) -> int:
        """Nothing is left unsent."""
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """A socket whose options nobody reads."""
        return _Socket() if name == "socket" else default


class _Socket:
    def setsockopt(self, *_: int) -> None:
        """Takes any."""


def _unwrap(text: bytes) -> Sequence[bytes]:
    return [part[1:-1] for part in text.split(b",") if part.startswith(b"<")]


WRAPPED_DIALECT = Dialect(
    opening=(Step(until=b"hello"), Step(b"join " + RUN, b"joined"), Step(b"ready")),
    encode=lambda message: b"<" + message + b">",
    decode=_unwrap,
    answer=lambda text: b"pong" if text == b"ping" else None,
    subprotocol="wrapped",
)
"""A server that greets, wants to know the room, packs several messages into a frame and asks whether one is there."""
WRAPPED = f"{__name__}:WRAPPED_DIALECT"


def plain() -> Speech:
    """Messages are text frames."""
    return Speech(PLAIN)


def wrapped() -> Speech:
    """Messages are wrapped."""
    return Speech(WRAPPED)
