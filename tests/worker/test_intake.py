"""What never becomes a job: garbage, and the trip through the cluster. The rest is tested with the dispatcher."""

from __future__ import annotations

import pytest

from tests.support.fake_worker_layer import (
    WORKER,
    Desk,
    background,
    delivery,
    frames,
    letters,
    of_connection,
    payloads,
)
from trunkline.protocol.codec import encode_entry
from trunkline.protocol.messages import Delivery, Entry
from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, TRIP, ChannelName, ReplyName
from trunkline.worker import Message, channel_session, route


@channel_session
def handler(message: Message) -> None:
    if "text" in message:
        message.reply_channel.send({"text": message["text"]})


def desk() -> Desk:
    return Desk([route("websocket.receive", handler), route("work", handler)])


@pytest.mark.parametrize(
    ("channel", "body"),
    [
        (RECEIVE, b""),
        (RECEIVE, b"\xff\xff\xff"),
        (RECEIVE, encode_entry(Entry(CONNECT, ReplyName("reply.i1!c1"), "/", 0, [{"a": 1}]))),
        (RECEIVE, encode_entry(Entry(RECEIVE, ReplyName("nonsense"), "/", 1, ["x"]))),
        (RECEIVE, encode_entry(Entry(RECEIVE, None, "/", 1, ["x"]))),
        (CONNECT, encode_entry(Entry(CONNECT, None, "/", 0, [{}]))),
        (DISCONNECT, encode_entry(Entry(DISCONNECT, None, "/", 0, [{}]))),
        (ChannelName("work"), encode_entry(Entry(ChannelName("work"), ReplyName("x"), None, 0, [{}]))),
        (TRIP, encode_entry(Entry(TRIP, None, "/", 0, [{}]))),
    ],
)
async def test_garbage_becomes_a_dead_letter_and_disturbs_nobody(
    channel: ChannelName, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    bench = desk()
    garbage = Delivery(channel, "0-1", body, 1, 0.0)
    good = frames("good")
    kept, answered = await bench.handle(garbage, good)
    assert [(letter.reason, letter.body) for letter in letters(kept)] == [("garbage", body)]
    assert payloads(answered) == ["good"]
    assert bench.count('dead_letters_total{reason="garbage"}') == 1


async def test_a_trip_is_answered_with_the_workers_id_without_a_route() -> None:
    bench = desk()
    trip = of_connection(TRIP, [{}], "c1", "/", 0, 1)
    (answer,) = payloads(await bench.effects(trip))
    assert (answer["status"], answer["content"]) == (200, WORKER.encode())


async def test_a_background_message_without_a_connection_has_no_session() -> None:
    bench = desk()
    assert letters(await bench.effects(background("work", {"a": 1}))) == []
    assert bench.layer.asked == []


async def test_a_background_message_with_a_reply_channel_has_that_connections_session() -> None:
    bench = desk()
    entry = Entry(ChannelName("work"), ReplyName("reply.i1!c3"), None, 0, [{"a": 1}])
    await bench.effects(delivery(entry))
    assert bench.layer.asked == [["c3"]]


async def test_two_entries_of_one_connection_ask_for_its_session_once() -> None:
    bench = desk()
    work = Entry(ChannelName("work"), ReplyName("reply.i1!c1"), None, 0, [{"a": 1}])
    await bench.handle(frames("x"), delivery(work))
    assert bench.layer.asked == [["c1"]]
    assert bench.count("sessions_read_total") == 1


async def test_batches_and_waits_are_observed() -> None:
    bench = desk()
    await bench.handle(frames("x"), frames("y", connection="c2"))
    assert bench.count('batch_entries_bucket{le="2.0"}') == 1
    assert bench.count('queue_wait_seconds_count{channel="websocket.receive"}') == 2


async def test_a_disconnect_of_a_connection_without_a_session_route_asks_for_none() -> None:
    bench = Desk([route("websocket.receive", lambda message: None)])
    await bench.handle(frames("x"))
    assert bench.layer.asked == []
