"""The hot connection: commands out, answers to callbacks, nothing else.

redis-py spends 20 to 55 us of CPU on a call, most of it in locks, retries, pools and tasks that a pipelined
connection with callbacks has no use for. Here a call is packed (`packing`), written and appended; an answer is one
popleft. redis-py still makes and authenticates the connection (see `link`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import hiredis

from .faults import tell_fault
from .packing import pack

Answer = Any
"""What hiredis makes of a RESP2 answer: bytes, int, None, list, or a `hiredis.ReplyError`, which is not raised."""

Callback = Callable[[Answer], None]


class Wire(asyncio.Protocol):
    """One connection to Redis on which calls are pipelined.

    Args:
        transport: connected and authenticated, its last protocol idle.
        on_lost: called once when the connection is gone, whoever ended it.
    """

    __slots__ = ("_callbacks", "_on_lost", "_reader", "_transport")

    def __init__(self, transport: asyncio.Transport, on_lost: Callable[[], None]) -> None:
        self._reader = hiredis.Reader()
        self._callbacks: deque[Callback] = deque()
        self._transport = transport
        self._on_lost = on_lost
        transport.set_protocol(self)
        # A protocol that was paused by its predecessor would stay so.
        if not transport.is_reading():
            transport.resume_reading()

    def call(self, command: Sequence[str | bytes | int], callback: Callback) -> None:
        """Sends a command. ``callback`` gets the answer; it is never called if the connection is lost before."""
        self._transport.write(pack(command))
        self._callbacks.append(callback)

    def send(self, packed: bytes, callback: Callback) -> None:
        """As `call`, of a command that was packed before."""
        self._transport.write(packed)
        self._callbacks.append(callback)

    @property
    def oldest(self) -> Callback | None:
        """The callback of the call that has waited longest for its answer; None if none waits."""
        return self._callbacks[0] if self._callbacks else None

    def close(self) -> None:
        """Cuts the connection at once; answers on their way are not delivered."""
        self._callbacks.clear()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hands each whole answer to the oldest waiting callback."""
        reader, callbacks = self._reader, self._callbacks
        try:
            reader.feed(data)
            while (answer := reader.gets()) is not False:
                if not callbacks:
                    # Redis sends nothing unasked but before it closes (a full server's error): the loss follows.
                    self._transport.abort()
                    return
                callback = callbacks.popleft()
                try:
                    callback(answer)
                except Exception as error:
                    # Of whoever asked; the answers behind it are for others.
                    tell_fault("redis wire", "handle an answer", error)
        except hiredis.ProtocolError:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells the owner; callbacks that wait are dropped, their calls stay undecided."""
        self._callbacks.clear()
        self._on_lost()
