"""The worker's side of several shards: reads all of them, and commits each entry where it came from."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence

from ..errors import LayerUnavailable
from ..layer import WorkerLayer, WorkerReceiver
from ..messages import Delivery, Effect, LeaseInfo, Outcome
from ..names import ChannelName, ConnectionId, shard_of
from .operator import named
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

    A shard that is away holds up what came from it, and nothing else. One that is away when the worker begins is joined
    later, see `joining`.

    Args:
        make: makes the same side of each shard, in the order of their numbers.
        home: tells where a connection lives.
    """

    def __init__(
        self, make: Sequence[Callable[[], WorkerLayer]], home: Callable[[ConnectionId], int] = shard_of
    ) -> None:
        self._make = tuple(make)
        self._home = home
        self._joined: dict[int, WorkerLayer] = {}
        self._held: dict[int, list[Callable[[WorkerLayer], None]]] = {}
        self._wanted = 0
        self._left_out: frozenset[int] = frozenset()
        self._closed = False
        self._next = 0
        self._loop: asyncio.AbstractEventLoop
        self._opening: tuple[LeaseInfo, Sequence[ChannelName], WorkerReceiver]

    @property
    def missing(self) -> list[int]:
        """The shards that it has not joined yet."""
        return [shard for shard in range(len(self._make)) if shard not in self._joined]

    def leave_out(self, shards: Collection[int]) -> None:
        """These are away now: `open` does not try them. To be called before it, with less than all of them."""
        self._left_out = frozenset(shards)

    async def open(self, info: LeaseInfo, channels: Sequence[ChannelName], receiver: WorkerReceiver) -> None:
        """See `layer.WorkerLayer.open`. Those that were left out are `missing`, and away for the receiver; all others
        must answer."""
        self._loop = asyncio.get_running_loop()
        self._opening = info, channels, receiver
        try:
            for shard in range(len(self._make)):
                if shard not in self._left_out:
                    await named(shard, self._open(shard))
        except BaseException:  # also when cancelled: those that are open hold leases
            await self.close()
            raise
        for shard in self.missing:
            receiver.away(shard)

    async def join(self, shard: int) -> None:
        """Joins a shard that is missing, whose layout was agreed on. Cancelling it leaves it missing.

        Raises:
            LayerUnavailable: it does not answer.
        """
        await named(shard, self._open(shard))
        layer = self._joined[shard]
        self._opening[2].back(shard)
        for call in self._held.pop(shard, ()):
            call(layer)
        if self._wanted:
            layer.read(self._share(self._wanted))

    async def _open(self, shard: int) -> None:
        layer = self._make[shard]()
        info, channels, receiver = self._opening
        try:
            await layer.open(info, channels, _Receiver(shard, receiver))
        except BaseException:  # what is half open has connections, and may have a lease
            await layer.close()
            raise
        if self._closed:
            await layer.close()
            raise LayerUnavailable("the worker has ended")
        self._joined[shard] = layer

    def _share(self, count: int) -> int:
        return -(-count // len(self._joined))

    def read(self, count: int) -> None:
        """See `layer.WorkerLayer.read`: every shard is asked for its share, so a busy one starves no other."""
        self._wanted = count
        share = self._share(count)
        for layer in self._joined.values():
            layer.read(share)

    def stop_reading(self) -> None:
        """See `layer.WorkerLayer.stop_reading`."""
        self._wanted = 0
        for layer in self._joined.values():
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
        if shard >= len(self._make):
            # Of a layout with more shards, or not made by us: there is no session that we could know of.
            self._loop.call_soon(answered, part, [b""] * len(part))
            return

        def ask(layer: WorkerLayer) -> None:
            layer.sessions(part, lambda raws: answered(part, raws))

        if shard in self._joined:
            ask(self._joined[shard])
        else:
            self._held.setdefault(shard, []).append(ask)

    def commit(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """See `layer.WorkerLayer.commit`."""
        parts = by_shard(outcomes, _shard_of_outcome)
        done = total(len(parts), done) if len(parts) > 1 else done
        for shard, part in parts.items():
            self._joined[shard].commit(part, done)
        if not parts:
            self._loop.call_soon(done, 0)

    def commit_now(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """See `layer.WorkerLayer.commit_now`. A shard that does not answer gets its part as soon as it does."""
        parts = by_shard(outcomes, _shard_of_outcome)
        done = total(len(parts), done)
        for shard, part in parts.items():
            layer = self._joined[shard]
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
            self._joined[within.shard].apply(effects, done, within)
            return
        self._next += 1
        shards = sorted(self._joined)
        self._joined[shards[self._next % len(shards)]].apply(effects, done)

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
                self._joined[shard].give_back(part, after_ms)
            except LayerUnavailable as error:
                failed = error
        if failed is not None:
            raise failed

    async def close(self) -> None:
        """See `layer.WorkerLayer.close`."""
        self._closed = True
        await asyncio.gather(*(layer.close() for layer in self._joined.values()))


def _shard_of_delivery(delivery: Delivery) -> int:
    return delivery.shard


def _shard_of_outcome(outcome: Outcome) -> int:
    return outcome.delivery.shard
