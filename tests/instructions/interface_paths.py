"""The hot paths of an interface server, between the bytes of its clients and the bytes it exchanges with Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, cast

from tests.support.client_frames import frame
from trunkline.interface.connection import Connection
from trunkline.interface.frames import TEXT, message
from trunkline.interface.handshake import Handshake
from trunkline.interface.levels import Levels
from trunkline.interface.metrics import InterfaceMetrics
from trunkline.interface.settings import InterfaceSettings
from trunkline.interface.shared import Shared
from trunkline.interface.tenure import Tenure
from trunkline.protocol.codec import encode_group_add, encode_group_send, encode_mailbox, encode_release
from trunkline.protocol.messages import LeaseInfo
from trunkline.protocol.names import ConnectionId, GroupName, InterfaceId, reply_name
from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.redis_layer import RedisInterfaceLayer
from trunkline.protocol.settings import LayerSettings

from .lap import ECHO_TEXT, HotPath, Lap
from .redis_stand_in import RedisStandIn, commands, echoes, resp, stand_in_for_redis

BATCH: Final = 32
"""Messages of one event-loop tick, or of one mailbox entry, at saturation."""
MESSAGES: Final = 256
MEMBERS: Final = 200
GROUP_MESSAGES: Final = 16

FRAME: Final = frame(TEXT, ECHO_TEXT.encode())
ECHO: Final = message(ECHO_TEXT)


class _Timer:
    """A call that was put off; it is made all the same, so it is cancelled behind its time only."""

    def cancel(self) -> None:
        pass


_TIMER: Final = _Timer()


class Loop:
    """What the product asks of an event loop here, with ticks that a driver makes, and no time between them."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], object]] = []
        self.call_soon = self._calls.append

    def call_later(self, delay_s: float, call: Callable[[], object]) -> _Timer:
        """Makes a call within this tick: a driver's messages have all come."""
        self._calls.append(call)
        return _TIMER

    def tick(self) -> None:
        """Makes the calls that were asked for, until there are none."""
        while self._calls:
            calls = self._calls[:]
            self._calls.clear()
            for call in calls:
                call()


class ClientTransport:
    """The socket of a client, which takes everything.

    Attributes:
        frames: what was written.
        write: takes bytes, at next to no cost.
    """

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.write = self.frames.append

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no bound."""

    def is_closing(self) -> bool:
        """Never."""
        return False


class _Accepting:
    """A handshake that is accepted."""

    def __init__(self, transport: ClientTransport) -> None:
        self._transport = transport

    def accept(self, verdict: dict[str, Any], connection: Connection) -> bytes:
        connection.opened(cast("asyncio.Transport", self._transport))
        return b""


class InterfaceBench:
    """An interface server without sockets, and open connections to it.

    Args:
        tenure: what its connections share.
        loop: its event loop.
        calls: where it publishes.
        mailbox: where it reads.
    """

    def __init__(self, tenure: Tenure, loop: Loop, calls: RedisStandIn, mailbox: RedisStandIn) -> None:
        self.loop = loop
        self.calls = calls
        self.mailbox = mailbox
        self.connections: list[Connection] = []
        self.transports: list[ClientTransport] = []
        self._tenure = tenure
        self._entries = 0

    @classmethod
    async def opened(cls, connections: int) -> InterfaceBench:
        """One with so many connections."""
        made = stand_in_for_redis()
        layer = RedisInterfaceLayer(LayerSettings.model_validate({}))
        loop = Loop()
        metrics = InterfaceMetrics(MetricSet(), lambda: Levels(0))
        settings = InterfaceSettings.model_validate({})
        shared = Shared(settings, metrics, cast("asyncio.AbstractEventLoop", loop))
        tenure = Tenure(shared, [layer], lambda fenced: None)
        shard = tenure.shards[0]
        tenure.id = InterfaceId("i0123456789ab")
        await layer.open(LeaseInfo(tenure.id, "interface", "host", 1, "", "0", 0.0), shard)
        shard.up = True
        bench = cls(tenure, loop, made["trunkline-interface"], made["trunkline-mailbox"])
        for stand_in in made.values():
            stand_in.keep()
        for number in range(connections):
            bench._connect(ConnectionId(f"connection-{number:09d}"))
        bench.publish()
        bench.mail([encode_release(each.id, 0, [{"accept": True}]) for each in bench.connections])
        return bench

    def _connect(self, identity: ConnectionId) -> None:
        transport = ClientTransport()
        handshake = cast("Handshake", _Accepting(transport))
        reply = reply_name(self._tenure.id, identity)
        connection = Connection(identity, reply, "/echo", self._tenure, handshake, deflates=False)
        self._tenure.enter(identity, connection)
        connection.connect({"query_string": ""})
        self.connections.append(connection)
        self.transports.append(transport)

    def publish(self) -> None:
        """Ends the tick, and has Redis take what it published."""
        self.calls.written.clear()
        self.loop.tick()
        for _ in self.calls.written:
            self.calls.answer(b":1\r\n")

    def mail(self, operations: Sequence[bytes]) -> None:
        """Delivers one mailbox entry."""
        self.mailbox.answer(self.answer(operations))

    def answer(self, operations: Sequence[bytes]) -> bytes:
        """The answer to a read that brings one mailbox entry."""
        self._entries += 1
        entry: list[Any] = [b"1700000000000-%d" % self._entries, [b"b", encode_mailbox(operations)]]
        return resp([[b"mailbox", [entry]]])

    def forget(self) -> None:
        """Begins anew with what was written."""
        for transport in self.transports:
            transport.frames.clear()
        self.calls.written.clear()
        self.mailbox.written.clear()


def _inbound(bench: InterfaceBench, batch: int, count: int) -> Lap:
    """A frame of each connection: read, taken in, encoded, published."""
    bench.forget()
    connections = bench.connections[:count]
    ticks = [[one.data_received for one in connections[at : at + batch]] for at in range(0, count, batch)]
    tick, answer = bench.loop.tick, bench.calls.answer

    def work() -> None:
        for receivers in ticks:
            for receive in receivers:
                receive(FRAME)
            tick()
            answer(b":1\r\n")

    def check() -> None:
        published = [command for packed in bench.calls.written for command in commands(packed)]
        assert len(published) == len(ticks)
        assert echoes(published) == count
        bench.mail([encode_release(one.id, one.flow.in_flight, []) for one in connections])
        assert all(one.flow.in_flight < 0 for one in connections)

    return Lap(work, check)


def _release(bench: InterfaceBench, batch: int, count: int) -> Lap:
    """The echoes of entries under way: read from the mailbox, dispatched, framed, written."""
    connections = bench.connections[:count]
    for one in connections:
        one.data_received(FRAME)
    bench.publish()
    bench.forget()
    operations = [encode_release(one.id, one.flow.in_flight, [ECHO_TEXT]) for one in connections]
    answers = [bench.answer(operations[at : at + batch]) for at in range(0, count, batch)]
    answer = bench.mailbox.answer

    def work() -> None:
        for packed in answers:
            answer(packed)

    def check() -> None:
        assert [transport.frames for transport in bench.transports[:count]] == [[ECHO]] * count
        assert all(one.flow.in_flight < 0 for one in connections)

    return Lap(work, check)


def _group_send(bench: InterfaceBench, group: GroupName, count: int) -> Lap:
    """Messages to a group: read from the mailbox, framed once, written to each member."""
    bench.forget()
    answers = [bench.answer([encode_group_send(group, ECHO_TEXT)]) for _ in range(count)]
    answer = bench.mailbox.answer

    def work() -> None:
        for packed in answers:
            answer(packed)

    def check() -> None:
        assert [one.frames for one in bench.transports[:MEMBERS]] == [[ECHO] * count] * MEMBERS

    return Lap(work, check)


async def interface_paths() -> list[HotPath]:
    """All of them, over one interface server."""
    bench = await InterfaceBench.opened(MESSAGES)
    group = GroupName("room")
    bench.mail([encode_group_add(group, one.id) for one in bench.connections[:MEMBERS]])
    return [
        HotPath("inbound", MESSAGES, partial(_inbound, bench, BATCH)),
        HotPath("inbound-alone", MESSAGES, partial(_inbound, bench, 1)),
        HotPath("release", MESSAGES, partial(_release, bench, BATCH)),
        HotPath("release-alone", MESSAGES, partial(_release, bench, 1)),
        HotPath("fan-out-200", GROUP_MESSAGES, partial(_group_send, bench, group)),
    ]
