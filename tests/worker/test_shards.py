"""A worker on several shards: one that is away holds up what came from it, and nothing else."""

from __future__ import annotations

from typing import Any

from tests.support.fake_worker_layer import (
    WORKER,
    Desk,
    FakeWorkerLayer,
    background,
    frames,
    letters,
    written,
)
from tests.support.waiting import until
from trunkline.protocol.codec import encode_entry, encode_session
from trunkline.protocol.messages import Delivery, Entry
from trunkline.protocol.names import ChannelName, InterfaceId, new_connection_id, reply_name
from trunkline.worker import Message, channel_session, route
from trunkline.worker.dispatcher import Dispatcher
from trunkline.worker.routing import Routing
from trunkline.worker.settings import WorkerOptions

SHARDS = 2


class TwoShards(Desk):
    """A desk whose layer has two."""

    def __init__(self, routes: Any, **options: Any) -> None:
        self.layer = FakeWorkerLayer()
        settings = WorkerOptions.model_validate(options)
        self.dispatcher = Dispatcher(WORKER, self.layer, Routing.load(routes), settings, shards=SHARDS)
        self.layer.receiver = self.dispatcher
        self.dispatcher.start()


def on(shard: int, delivery: Delivery) -> Delivery:
    return delivery._replace(shard=shard)


@channel_session
def echo(message: Message) -> None:
    message.reply_channel.send({"text": message["text"]})


def job(message: Message) -> None:
    """Does nothing."""


ROUTES = [route("websocket.receive", echo), route("jobs", job)]


def home(shard: int) -> str:
    return new_connection_id(shard)


async def test_sessions_of_a_shard_that_is_away_hold_up_no_reading() -> None:
    desk = TwoShards(ROUTES)
    desk.layer.answers_sessions = False
    desk.give(on(1, frames("stuck", connection=home(1))))
    reads = len(desk.layer.reads)
    await desk.handle(on(0, background("jobs", {})))
    assert len(desk.layer.reads) == reads, "what waits for sessions of a shard that answers is waited for"

    desk.dispatcher.away(1)

    await until(lambda: len(desk.layer.reads) > reads, what="it reads on")
    assert not desk.dispatcher.redis_up
    assert desk.dispatcher.answering() == [True, False]
    assert desk.count('shard_up{shard="1"}') == 0
    desk.dispatcher.back(1)
    assert desk.dispatcher.redis_up


async def test_commits_to_a_shard_that_is_away_do_not_keep_suspects_waiting() -> None:
    desk = TwoShards(ROUTES)
    desk.layer.answers = False
    stuck = on(1, background("jobs", {}))
    desk.give(stuck)
    await desk.handled(stuck)
    suspect = on(0, background("jobs", {}, attempt=2))
    desk.give(suspect)

    desk.dispatcher.away(1)

    await desk.handled(suspect)


async def test_each_shard_has_a_commit_of_its_own() -> None:
    desk = TwoShards(ROUTES)
    deliveries = [on(number % 2, background("jobs", {})) for number in range(6)]

    await desk.handle(*deliveries)

    assert {frozenset(one.delivery.shard for one in commit) for commit in desk.layer.commits} == {
        frozenset({0}),
        frozenset({1}),
    }


# ---- sessions of connections that live elsewhere ----


@channel_session
def look(message: Message) -> None:
    message.channel_session["seen"] = message.channel_session.get("seen", 0) + message["add"]


def about(shard: int, connection: str, add: int) -> Delivery:
    reply = reply_name(InterfaceId("i1"), connection)  # type: ignore[arg-type]
    entry = Entry(ChannelName("look"), reply, None, 0, [{"add": add}], "id")
    return Delivery(entry.channel, f"{connection[:5]}-{shard}-{add}", encode_entry(entry), 1, 1.0, (), shard)


async def test_the_session_of_a_connection_on_another_shard_can_be_read_and_not_changed() -> None:
    desk = TwoShards([route("look", look)])
    connection = home(1)
    desk.layer.stored[connection] = encode_session({"seen": 4})
    here, there, read = about(1, connection, 1), about(0, connection, 1), about(0, connection, 0)

    effects = await desk.handle(here, there, read)

    assert written(effects[0]) == [encode_session({"seen": 5})]
    assert written(effects[1]) == written(effects[2]) == []
    assert letters(effects[2]) == []
    (letter,) = letters(effects[1])
    assert "a connection on another shard" in letter.error
