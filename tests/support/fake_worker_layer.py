"""A worker's channel layer that does what a test says; the entries it delivers and the outcomes it is given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.exposition import total
from tests.support.waiting import until
from trunkline.protocol.codec import (
    GROUP_SEND,
    RELEASE,
    SEND,
    decode_dead_letter,
    decode_mailbox,
    encode_entry,
)
from trunkline.protocol.layer import WorkerReceiver
from trunkline.protocol.messages import (
    DeadLetter,
    DeadLetterRecord,
    Delivery,
    Effect,
    Entry,
    GroupSend,
    LeaseInfo,
    Outcome,
    Post,
    SessionWrite,
)
from trunkline.protocol.names import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    REQUEST,
    ChannelName,
    ConnectionId,
    ReplyName,
    WorkerId,
)
from trunkline.worker.declarations import Routes
from trunkline.worker.dispatcher import Dispatcher
from trunkline.worker.routing import Routing
from trunkline.worker.settings import WorkerOptions

WORKER = WorkerId("w1")
_last_id = 0


def delivery(entry: Entry, attempt: int = 1) -> Delivery:
    """An entry as a layer delivers it, under an id of its own."""
    global _last_id
    _last_id += 1
    return Delivery(entry.channel, f"{_last_id}-0", encode_entry(entry), attempt, 1.0)


def of_connection(
    channel: ChannelName, events: Sequence[Any], connection: str, path: str, seq: int, attempt: int
) -> Delivery:
    """What an interface server publishes for a connection."""
    reply = ReplyName(f"reply.i1!{connection}")
    return delivery(Entry(channel, reply, path, seq, list(events)), attempt)


def connect(connection: str = "c1", path: str = "/", attempt: int = 1) -> Delivery:
    return of_connection(CONNECT, [{"query_string": ""}], connection, path, 0, attempt)


def frames(
    *events: str | bytes, connection: str = "c1", path: str = "/", seq: int = 1, attempt: int = 1
) -> Delivery:
    return of_connection(RECEIVE, events, connection, path, seq, attempt)


def disconnect(connection: str = "c1", seq: int = 9) -> Delivery:
    return of_connection(DISCONNECT, [{"code": 1000, "reason": ""}], connection, "/", seq, 1)


def request(path: str = "/", connection: str = "c1") -> Delivery:
    event = {"method": "GET", "query_string": "", "headers": [], "body": b""}
    return of_connection(REQUEST, [event], connection, path, 0, 1)


def background(channel: str, content: dict[str, Any], attempt: int = 1) -> Delivery:
    return delivery(Entry(ChannelName(channel), None, None, 0, [content]), attempt)


def payloads(effects: Sequence[Effect]) -> list[Any]:
    """What connections and groups are sent, in order; that of a RELEASE as its single payloads."""
    found: list[Any] = []
    for effect in effects:
        if isinstance(effect, Post | GroupSend):
            for operation in decode_mailbox(b"\x01" + effect.chunk):
                if operation[0] == RELEASE:
                    found += operation[-1]
                elif operation[0] in (SEND, GROUP_SEND):
                    found.append(operation[-1])
    return found


def letters(effects: Sequence[Effect]) -> list[DeadLetterRecord]:
    """The dead letters among effects."""
    return [decode_dead_letter("", effect.body) for effect in effects if isinstance(effect, DeadLetter)]


def written(effects: Sequence[Effect]) -> list[bytes]:
    """The sessions written."""
    return [effect.value for effect in effects if isinstance(effect, SessionWrite)]


class FakeWorkerLayer:
    """A `WorkerLayer`.

    Attributes:
        reads: the counts that were asked for.
        reading: a read waits; `give` answers it.
        commits: the outcomes of each commit.
        applied: what was applied without one, each with the delivery it stands within.
        asked: the connections of each question for sessions.
        stored: the sessions there are.
        returned: what was handed back.
        rested_ms: and how long each of these is to rest.
        refuses_back: raised by `give_back`.
        answers: commits are answered; otherwise `answer` does it by hand.
        answers_sessions: the same for sessions.
    """

    def __init__(self) -> None:
        self.receiver: WorkerReceiver
        self.reads: list[int] = []
        self.reading = False
        self.commits: list[list[Outcome]] = []
        self.applied: list[tuple[list[Effect], Delivery | None]] = []
        self.asked: list[list[ConnectionId]] = []
        self.stored: dict[str, bytes] = {}
        self.returned: list[Delivery] = []
        self.rested_ms: list[int] = []
        self.refuses_back: Exception | None = None
        self.answers = True
        self.answers_sessions = True
        self.closed = False
        self.loop = asyncio.get_running_loop()
        self._unanswered: list[Callable[[], None]] = []

    async def open(self, info: LeaseInfo, channels: Sequence[ChannelName], receiver: WorkerReceiver) -> None:
        self.receiver = receiver

    def read(self, count: int) -> None:
        self.reads.append(count)
        self.reading = True

    def stop_reading(self) -> None:
        self.reading = False

    def give(self, *deliveries: Delivery) -> None:
        """Delivers, as the answer to a read or without one."""
        self.reading = False
        self.receiver.deliver(list(deliveries))

    def sessions(self, connections: Sequence[ConnectionId], done: Callable[[list[bytes]], None]) -> None:
        self.asked.append(list(connections))
        found = [self.stored.get(connection, b"") for connection in connections]
        self._answer(lambda: done(found), self.answers_sessions)

    def commit(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        self.commits.append(list(outcomes))
        self._answer(lambda: done(len(outcomes)), self.answers)

    def commit_now(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        if self.refuses_back is not None:
            raise self.refuses_back
        self.commits.append(list(outcomes))
        self.loop.call_soon_threadsafe(done, len(outcomes))

    def apply(
        self, effects: Sequence[Effect], done: Callable[[], None], within: Delivery | None = None
    ) -> None:
        self.applied.append((list(effects), within))
        self._answer(done, self.answers)

    def give_back(self, deliveries: Sequence[Delivery], after_ms: int = 0) -> None:
        if self.refuses_back is not None:
            raise self.refuses_back
        self.returned += deliveries
        self.rested_ms += [after_ms] * len(deliveries)

    async def close(self) -> None:
        self.closed = True

    def answer(self) -> None:
        """Answers what is unanswered."""
        waiting, self._unanswered = self._unanswered, []
        for done in waiting:
            done()

    def _answer(self, done: Callable[[], None], at_once: bool) -> None:
        if at_once:
            asyncio.get_running_loop().call_soon(done)
        else:
            self._unanswered.append(done)


class Desk:
    """A dispatcher over a layer that does what a test says.

    Args:
        routes: what it serves.
        options: settings of the worker.
    """

    def __init__(self, routes: Routes, **options: Any) -> None:
        self.layer = FakeWorkerLayer()
        settings = WorkerOptions.model_validate(options)
        self.dispatcher = Dispatcher(WORKER, self.layer, Routing.load(routes), settings)
        self.layer.receiver = self.dispatcher
        self.dispatcher.start()

    def give(self, *deliveries: Delivery) -> None:
        """Delivers."""
        self.layer.give(*deliveries)

    @property
    def outcomes(self) -> dict[str, list[Effect]]:
        """What was committed: the delivery's id and its effects, in the order of the commits."""
        return {done.delivery.id: done.effects for commit in self.layer.commits for done in commit}

    async def handled(self, *deliveries: Delivery) -> list[list[Effect]]:
        """Waits until these are committed; their effects."""
        wanted = {each.id for each in deliveries}
        await until(lambda: wanted <= self.outcomes.keys(), what=f"{len(deliveries)} entries are committed")
        outcomes = self.outcomes
        return [outcomes[each.id] for each in deliveries]

    async def handle(self, *deliveries: Delivery) -> list[list[Effect]]:
        """Delivers, and waits until all is committed; the effects of each."""
        self.give(*deliveries)
        return await self.handled(*deliveries)

    async def effects(self, one: Delivery) -> list[Effect]:
        """The same for a single entry."""
        (found,) = await self.handle(one)
        return found

    def count(self, sample: str) -> float:
        """Sum of a metric's samples, see `exposition.total`."""
        return total(self.dispatcher.metrics.exposition().decode(), f"trunkline_{sample}")
