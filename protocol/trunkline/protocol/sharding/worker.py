"""The worker's side of several shards: reads all of them, and commits each entry where it came from."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from ..errors import LayerUnavailable
from ..layer import WorkerLayer, WorkerReceiver
from ..messages import Delivery, Effect, LeaseInfo, Outcome
from ..names import ChannelName, ConnectionId, shard_of
from .parts import by_shard, total

log = logging.getLogger(__name__)


class _Receiver(WorkerReceiver):
    """What one shard tells the worker: the same, with the shard's number."""

    __slots__ = ("_receiver", "_shard")

    def __init__(self, shard: int, receiver: WorkerReceiver) -> None:
        self._shard = shard
        self._receiver = receiver

    def deliver(self, deliveries: list[Delivery]) -> None:
        self._receiver.deliver(deliveries)

    def room(self) -> int:
        return self._receiver.room()

    def away(self, shard: int = 0) -> None:
        self._receiver.away(self._shard)

    def back(self, shard: int = 0) -> None:
        self._receiver.back(self._shard)


class ShardedWorkerLayer(WorkerLayer):
    """See `layer.WorkerLayer`.

    A shard that is away holds up what came from it, and nothing else.

    Args:
        layers: the same side of each shard, in the order of their numbers; not opened yet.
        home: tells where a connection lives.
    """

    def __init__(self, layers: Sequence[WorkerLayer], home: Callable[[ConnectionId], int] = shard_of) -> None:
        self._layers = tuple(layers)
        self._home = home
        self._open: list[WorkerLayer] = []
        self._loop: asyncio.AbstractEventLoop
        self._next = 0

    async def open(self, info: LeaseInfo, channels: Sequence[ChannelName], receiver: WorkerReceiver) -> None:
        """See `layer.WorkerLayer.open`. All shards must answer."""
        self._loop = asyncio.get_running_loop()
        try:
            for shard, layer in enumerate(self._layers):
                try:
                    await layer.open(info, channels, _Receiver(shard, receiver))
                except LayerUnavailable as error:
                    raise LayerUnavailable(f"shard {shard}: {error}") from error
                self._open.append(layer)
        except BaseException:  # also when cancelled: those that are open hold leases
            await self.close()
            raise

    def read(self, count: int) -> None:
        """See `layer.WorkerLayer.read`: every shard is asked for its share, so a busy one starves no other."""
        share = -(-count // len(self._layers))
        for layer in self._layers:
            layer.read(share)

    def stop_reading(self) -> None:
        """See `layer.WorkerLayer.stop_reading`."""
        for layer in self._layers:
            layer.stop_reading()

    def sessions(self, connections: Sequence[ConnectionId], done: Callable[[list[bytes]], None]) -> None:
        """See `layer.WorkerLayer.sessions`. Each is read where its connection lives."""
        parts = by_shard(connections, self._home)
        found: dict[ConnectionId, bytes] = {}
        waiting = len(parts)

        def answered(part: Sequence[ConnectionId], raws: Sequence[bytes]) -> None:
            nonlocal waiting
            waiting -= 1
            found.update(zip(part, raws, strict=True))
            if not waiting:
                done([found[connection] for connection in connections])

        if not parts:
            self._loop.call_soon(done, [])
        for shard, part in parts.items():
            self._ask(shard, part, answered)

    def _ask(
        self,
        shard: int,
        part: list[ConnectionId],
        answered: Callable[[Sequence[ConnectionId], Sequence[bytes]], None],
    ) -> None:
        if shard >= len(self._layers):
            # Of a layout with more shards, or not made by us: there is no session that we could know of.
            self._loop.call_soon(answered, part, [b""] * len(part))
            return
        self._layers[shard].sessions(part, lambda raws: answered(part, raws))

    def commit(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """See `layer.WorkerLayer.commit`."""
        parts = by_shard(outcomes, _shard_of_outcome)
        done = total(len(parts), done) if len(parts) > 1 else done
        for shard, part in parts.items():
            self._layers[shard].commit(part, done)
        if not parts:
            self._loop.call_soon(done, 0)

    def commit_now(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """See `layer.WorkerLayer.commit_now`. A shard that does not answer gets its part as soon as it does."""
        parts = by_shard(outcomes, _shard_of_outcome)
        done = total(len(parts), done)
        for shard, part in parts.items():
            layer = self._layers[shard]
            try:
                layer.commit_now(part, done)
            except LayerUnavailable as error:
                if len(parts) == 1:
                    raise
                log.warning("shard=%d cannot commit now: %s", shard, error)
                self._loop.call_soon_threadsafe(layer.commit, part, done)

    def apply(
        self, effects: Sequence[Effect], done: Callable[[], None], within: Delivery | None = None
    ) -> None:
        """See `layer.WorkerLayer.apply`. What is within no delivery goes to the shards in turn."""
        if within is not None:
            self._layers[within.shard].apply(effects, done, within)
            return
        self._next = (self._next + 1) % len(self._layers)
        self._layers[self._next].apply(effects, done)

    def give_back(self, deliveries: Sequence[Delivery], after_ms: int = 0) -> None:
        """See `layer.WorkerLayer.give_back`.

        Raises:
            LayerUnavailable: a shard does not answer: what came from it stays this worker's, and so does, as far as the
                caller knows, what others have taken back. Whoever handles that after all loses nothing but the work:
                one commit counts.
        """
        failed: LayerUnavailable | None = None
        for shard, part in by_shard(deliveries, _shard_of_delivery).items():
            try:
                self._layers[shard].give_back(part, after_ms)
            except LayerUnavailable as error:
                failed = error
        if failed is not None:
            raise failed

    async def close(self) -> None:
        """See `layer.WorkerLayer.close`."""
        layers, self._open = self._open, []
        await asyncio.gather(*(layer.close() for layer in layers))


def _shard_of_delivery(delivery: Delivery) -> int:
    return delivery.shard


def _shard_of_outcome(outcome: Outcome) -> int:
    return outcome.delivery.shard
