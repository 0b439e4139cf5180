"""A cluster of layer sides on one bus, driven by hand: what the contract suite is written against.

The receivers here do nothing by themselves. They keep what the layer reports, and tests wait for it with `until`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Protocol

from tests.support.waiting import until
from trunkline.protocol import codec
from trunkline.protocol.layer import Holdings, InterfaceLayer, OperatorLayer, Publication, WorkerLayer
from trunkline.protocol.messages import Delivery, Effect, Entry, GroupAdd, LeaseInfo, Outcome, Post
from trunkline.protocol.names import (
    ChannelName,
    ConnectionId,
    GroupName,
    InterfaceId,
    WorkerId,
    new_interface_id,
    new_worker_id,
)
from trunkline.protocol.tracks import Share


class Sides(Protocol):
    """What makes the three sides of one layer, all on one bus."""

    def interface(self) -> InterfaceLayer: ...

    def worker(self) -> WorkerLayer: ...

    def operator(self) -> OperatorLayer: ...


def lease_info(identity: str, role: str) -> LeaseInfo:
    return LeaseInfo(identity, role, "host", 1234, "", "0", time.time(), "detail of " + identity)


def body(text: str) -> bytes:
    """An encoded background entry that carries a text."""
    return codec.encode_entry(Entry(ChannelName("any"), None, None, 0, [{"text": text}]))


class Interface:
    """An interface server that only keeps what it is told."""

    def __init__(self, layer: InterfaceLayer) -> None:
        self.layer = layer
        self.id: InterfaceId = new_interface_id()
        self.mail: list[tuple[list[list[Any]], str]] = []
        self.was_refused: list[Publication] = []
        self.answer_times: list[float] = []

    def mailbox(self, operations: list[list[Any]], token: str) -> None:
        self.mail.append((operations, token))

    def answered(self, seconds: float) -> None:
        self.answer_times.append(seconds)

    def refused(self, publications: Sequence[Publication]) -> None:
        self.was_refused += publications

    def away(self) -> None:
        raise AssertionError("the layer says that it is away")

    def back(self) -> None:
        raise AssertionError("the layer says that it is back")

    def fenced(self) -> None:
        raise AssertionError("the layer says that this interface server is fenced")

    def holdings(self) -> Holdings:
        raise AssertionError("the layer says that it has lost its data")

    def share_out(self, shares: Sequence[Share], now_ms: int) -> None:
        """Nobody is put on a track here."""

    def republish(self, after: int, up_to: int, channel: ChannelName | None = None) -> None:
        raise AssertionError(f"the layer says that it has lost batches {after + 1} to {up_to}")

    def publish(self, channel: ChannelName, *bodies: bytes, must: bool = False) -> int:
        return self.layer.publish([Publication(channel, body, body, must) for body in bodies])

    def post(self, connection: str, text: str) -> Post:
        """An effect that sends a text to a connection here."""
        return Post(self.id, codec.encode_send(ConnectionId(connection), -1, text))

    def add(self, group: str, connection: str) -> GroupAdd:
        """An effect that adds a connection here to a group."""
        chunk = codec.encode_group_add(GroupName(group), ConnectionId(connection))
        return GroupAdd(GroupName(group), self.id, chunk)

    @property
    def operations(self) -> list[list[Any]]:
        """All operations that have arrived, whatever they came in."""
        return [operation for operations, _ in self.mail for operation in operations]

    @property
    def texts(self) -> list[Any]:
        """The payloads of all sends that have arrived, to connections and to groups."""
        return [
            operation[-1] for operation in self.operations if operation[0] in (codec.SEND, codec.GROUP_SEND)
        ]

    async def receive(self, count: int = 1) -> list[Any]:
        """Waits until that many sends have arrived in all; their payloads."""
        await until(
            lambda: len(self.texts) >= count, what=f"{count} sends at the interface, now {self.texts}"
        )
        return self.texts


class Worker:
    """A worker that handles nothing by itself: tests take deliveries and commit them."""

    def __init__(self, layer: WorkerLayer) -> None:
        self.layer = layer
        self.id: WorkerId = new_worker_id()
        self.inbox: list[Delivery] = []
        self.space = 100
        """How many entries of other workers it would take over."""
        self._wanted = 0

    def deliver(self, deliveries: list[Delivery]) -> None:
        self.inbox += deliveries
        self._read()

    def room(self) -> int:
        return self.space

    def away(self, shard: int = 0) -> None:
        raise AssertionError("the layer says that it is away")

    def back(self, shard: int = 0) -> None:
        raise AssertionError("the layer says that it is back")

    def _read(self) -> None:
        if len(self.inbox) < self._wanted:
            self.layer.read(self._wanted - len(self.inbox))

    async def take(self, count: int = 1, within_s: float = 5.0) -> list[Delivery]:
        """Reads until there are that many deliveries; they are not in the inbox any more."""
        self._wanted = count
        self._read()
        await until(lambda: len(self.inbox) >= count, within_s, f"{count} deliveries, now {len(self.inbox)}")
        self._wanted = 0
        taken, self.inbox = self.inbox[:count], self.inbox[count:]
        return taken

    async def take_one(self, within_s: float = 5.0) -> Delivery:
        (delivery,) = await self.take(1, within_s)
        return delivery

    async def commit(self, *outcomes: Outcome) -> int:
        """Commits, and waits for how many counted."""
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.layer.commit(outcomes, done.set_result)
        return await asyncio.wait_for(done, 5)

    async def finish(self, delivery: Delivery, *effects: Effect) -> int:
        """Commits one delivery with these effects."""
        return await self.commit(Outcome(delivery, list(effects)))

    async def apply(self, *effects: Effect, within: Delivery | None = None) -> None:
        """Applies effects, and waits for the layer to say that it is done."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.layer.apply(effects, lambda: done.set_result(None), within)
        await asyncio.wait_for(done, 5)

    async def sessions(self, *connections: str) -> list[bytes]:
        """Reads sessions, and waits for them."""
        done: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        self.layer.sessions([ConnectionId(name) for name in connections], done.set_result)
        return await asyncio.wait_for(done, 5)

    async def give_back(self, *deliveries: Delivery) -> None:
        """Hands entries back, from another thread: the contract lets it block."""
        await asyncio.to_thread(self.layer.give_back, deliveries)


class Cluster:
    """Sides on one bus, and their end.

    Args:
        sides: of the layer under test.
    """

    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._interfaces: list[Interface] = []
        self._workers: list[Worker] = []
        self.operator = sides.operator()

    async def interface(self) -> Interface:
        """Opens one more interface server."""
        interface = Interface(self._sides.interface())
        await interface.layer.open(lease_info(interface.id, "interface"), interface)
        self._interfaces.append(interface)
        return interface

    async def worker(self, *channels: ChannelName) -> Worker:
        """Opens one more worker that reads these channels."""
        worker = Worker(self._sides.worker())
        await worker.layer.open(lease_info(worker.id, "worker"), channels, worker)
        self._workers.append(worker)
        return worker

    async def close(self) -> None:
        """Ends every side."""
        for interface in self._interfaces:
            await interface.layer.close()
        for worker in self._workers:
            await worker.layer.close()
        await self.operator.close()
