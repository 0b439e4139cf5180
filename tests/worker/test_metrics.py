"""The metrics of a worker after known traffic."""

from __future__ import annotations

from tests.support.fake_worker_layer import Desk, background, frames
from trunkline.protocol.process.metrics import LABEL_LIMIT
from trunkline.worker import Message, channel_session, route
from trunkline.worker.metrics import WorkerMetrics

RECEIVE = "websocket.receive"


@channel_session
def handler(message: Message) -> None:
    message.channel_session["last"] = message["text"]
    if message["text"] == "bad":
        raise ValueError


async def test_known_traffic_gives_known_counts() -> None:
    desk = Desk([route(RECEIVE, handler, path="^/")])
    await desk.handle(frames("a", "b", "bad"), frames("x", connection="c2", path="nowhere"))
    name = f"{__name__}.handler"
    labels = f'channel="{RECEIVE}",outcome="%s",route="%s"'
    assert desk.count(f"messages_total{{{labels % ('ok', name)}}}") == 2
    assert desk.count(f"messages_total{{{labels % ('error', name)}}}") == 1
    assert desk.count(f"messages_total{{{labels % ('unrouted', '-')}}}") == 1
    assert desk.count("messages_total") == 4
    assert desk.count(f'handler_seconds_count{{route="{name}"}}') == 3
    assert desk.count('dead_letters_total{reason="error"}') == 1
    assert desk.count("sessions_read_total") == 1
    assert desk.count("sessions_written_total") == 1
    assert desk.count("commit_entries_sum") == 2
    assert desk.count("worker_busy_entries") == 0
    assert desk.count("redis_up") == 1


async def test_no_label_comes_from_what_clients_send() -> None:
    desk = Desk([route(RECEIVE, handler), route("work", handler)])
    for number in range(40):
        await desk.handle(
            frames("x", connection=f"c{number}", path=f"/{number}"),
            background("work", {"text": str(number)}),
        )
    lines = [line for line in desk.dispatcher.metrics.exposition().decode().splitlines() if line[0] != "#"]
    assert not any("c39" in line or '"/39' in line for line in lines)
    assert desk.count("messages_total{") == 80
    assert sum(line.startswith("trunkline_messages_total{") for line in lines) == 2


def test_what_grows_all_the_same_is_bounded() -> None:
    metrics = WorkerMetrics(lambda: 3, lambda: False)
    for number in range(LABEL_LIMIT * 2):
        metrics.messages.get(f"channel{number}", "r", "ok").value += 1
    text = metrics.exposition().decode()
    assert text.count("trunkline_messages_total{") == LABEL_LIMIT + 1
    assert "trunkline_worker_busy_entries 3.0" in text
    assert "trunkline_redis_up 0.0" in text
