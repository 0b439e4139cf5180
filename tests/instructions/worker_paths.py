"""The hot paths of a worker, between the bytes of a delivery and those of its commit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count as counting
from typing import Any, Final

from benchmarks.routing import channel_routing
from trunkline.protocol.codec import encode_entry, encode_session
from trunkline.protocol.messages import Entry, LeaseInfo
from trunkline.protocol.names import RECEIVE, ConnectionId, InterfaceId, Keys, WorkerId, reply_name
from trunkline.protocol.redis_layer import RedisWorkerLayer, worker_side
from trunkline.protocol.redis_layer.lease_thread import Heartbeat
from trunkline.protocol.settings import LayerSettings
from trunkline.worker.dispatcher import Dispatcher
from trunkline.worker.process import served_channels
from trunkline.worker.routing import Routing
from trunkline.worker.settings import WorkerOptions

from .clock import START_S, UNIX_S
from .lap import ECHO_TEXT, HotPath, Lap
from .redis_stand_in import RedisStandIn, commands, echoes, resp, stand_in_for_redis

BATCH: Final = 32
"""Entries of one delivery at saturation."""
MESSAGES: Final = 256

INTERFACE: Final = InterfaceId("i0123456789ab")
SESSION: Final = encode_session({"count": 1})
WRITTEN: Final = encode_session({"count": 2})


class _NoLease:
    """A lease that needs no thread and no Redis."""

    def __init__(self, *_: Any) -> None:
        pass

    def first(self) -> Heartbeat:
        return Heartbeat(int(UNIX_S * 1000), START_S, claimable=False, shares=[])

    def start(self) -> None:
        pass


class WorkerBench:
    """A worker that waits for deliveries.

    Args:
        reads: where it reads.
        calls: where it commits.
        stream: that its deliveries come from.
    """

    def __init__(self, reads: RedisStandIn, calls: RedisStandIn, stream: str) -> None:
        self.reads = reads
        self.calls = calls
        self._stream = stream.encode()
        self._numbers: Iterator[int] = counting(1)

    @classmethod
    async def opened(cls) -> WorkerBench:
        """One with the handlers of the benchmarks."""
        made = stand_in_for_redis()
        side: Any = worker_side
        side.LeaseThread = _NoLease
        settings, options = LayerSettings.model_validate({}), WorkerOptions.model_validate({})
        worker, layer, routing = (
            WorkerId("w0123456789ab"), RedisWorkerLayer(settings), Routing.load(channel_routing),
        )  # fmt: skip
        dispatcher = Dispatcher(worker, layer, routing, options)
        info = LeaseInfo(worker, "worker", "host", 1, "", "0", 0.0)
        await layer.open(info, served_channels(routing, options), dispatcher)
        dispatcher.start()
        for stand_in in made.values():
            stand_in.keep()
        return cls(made["trunkline-reader"], made["trunkline-worker"], Keys(settings.prefix).stream(RECEIVE))

    def delivery(self, path: str, count: int) -> bytes:
        """The answer to a read that brings so many entries, each of another connection."""
        entries: list[Any] = []
        for number in range(count):
            reply = reply_name(INTERFACE, ConnectionId(f"connection-{number:09d}"))
            body = encode_entry(Entry(RECEIVE, reply, path, 7, [ECHO_TEXT]))
            entries.append([b"1700000000000-%d" % next(self._numbers), [b"b", body]])
        return resp([[self._stream, entries]])


def _handled(bench: WorkerBench, path: str, batch: int, reads_session: bool, count: int) -> Lap:
    """Messages: delivered, decoded, routed, handled, their effects committed."""
    bench.calls.written.clear()
    bench.reads.written.clear()
    deliveries = [bench.delivery(path, batch) for _ in range(count // batch)]
    sessions = resp([SESSION] * batch)
    committed = resp([batch])
    deliver, answer = bench.reads.answer, bench.calls.answer

    def work() -> None:
        for delivery in deliveries:
            deliver(delivery)
            if reads_session:
                answer(sessions)
            answer(committed)

    def check() -> None:
        calls = [command for packed in bench.calls.written for command in commands(packed)]
        commits = [command for command in calls if command[0] == b"EVALSHA"]
        assert len(commits) == len(deliveries) == len(bench.reads.written)
        assert len(calls) == len(deliveries) * (2 if reads_session else 1)
        assert echoes(commits) == count
        written = sum(part == WRITTEN for command in commits for part in command)
        assert written == (count if reads_session else 0)

    return Lap(work, check)


async def worker_paths() -> list[HotPath]:
    """All of them, in one worker."""
    bench = await WorkerBench.opened()
    return [
        HotPath("echo", MESSAGES, partial(_handled, bench, "/echo", BATCH, False)),
        HotPath("echo-alone", MESSAGES, partial(_handled, bench, "/echo", 1, False)),
        HotPath("echo-session", MESSAGES, partial(_handled, bench, "/session", BATCH, True)),
        HotPath("group-send", MESSAGES, partial(_handled, bench, "/group/room", BATCH, False)),
    ]
