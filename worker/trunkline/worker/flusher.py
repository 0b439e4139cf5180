"""The flusher: applies what handlers want sent before they end."""

from __future__ import annotations

import asyncio
import threading
from typing import Protocol

from trunkline.protocol.layer import WorkerLayer
from trunkline.protocol.messages import Delivery, Effect

from .effect_log import EffectLog


class Flusher(Protocol):
    """What a job needs to send before its end."""

    async def flush(self, delivery: Delivery, effects: list[Effect]) -> None:
        """Applies effects within a delivery and returns when that is done."""

    def flush_soon(self, delivery: Delivery, outbox: EffectLog) -> None:
        """Applies the outbox' effects as soon as the event loop runs. In the thread of the handler."""


class LayerFlusher:
    """Keeps `Flusher`. Made on the event loop's thread.

    Args:
        layer: applies the effects.
    """

    __slots__ = ("_layer", "_loop", "_thread")

    def __init__(self, layer: WorkerLayer) -> None:
        self._layer = layer
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    async def flush(self, delivery: Delivery, effects: list[Effect]) -> None:
        """See `Flusher.flush`. Cancelling it only ends the waiting."""
        applied = asyncio.Event()
        self._layer.apply(effects, applied.set, delivery)
        await applied.wait()

    def flush_soon(self, delivery: Delivery, outbox: EffectLog) -> None:
        """See `Flusher.flush_soon`."""
        if threading.get_ident() == self._thread:
            # Later, so that what one handler sends in a row goes out together.
            self._loop.call_soon(self._flush, delivery, outbox)
        else:
            # Now: were it taken on the loop's thread, the handler might roll its outbox back at the same moment.
            self._loop.call_soon_threadsafe(self._apply, delivery, outbox.take())

    def _flush(self, delivery: Delivery, outbox: EffectLog) -> None:
        self._apply(delivery, outbox.take())

    def _apply(self, delivery: Delivery, effects: list[Effect]) -> None:
        if effects:
            self._layer.apply(effects, lambda: None, delivery)
