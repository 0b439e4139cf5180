"""The metrics of a worker after known traffic."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.support.fake_worker_layer import Desk, background, frames
from trunkline.protocol.process.desired import Load
from trunkline.protocol.process.facts.samples import Samples
from trunkline.protocol.process.metrics import LABEL_LIMIT
from trunkline.worker import Message, channel_session, route
from trunkline.worker.metrics import WorkerMetrics
from trunkline.worker.settings import WorkerOptions
from trunkline.worker.slots import slots_of

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
    metrics = WorkerMetrics(lambda: 3, lambda: [False])
    for number in range(LABEL_LIMIT * 2):
        metrics.messages.get(f"channel{number}", "r", "ok").value += 1
    text = metrics.exposition().decode()
    assert text.count("trunkline_messages_total{") == LABEL_LIMIT + 1
    assert "trunkline_worker_busy_entries 3.0" in text
    assert "trunkline_redis_up 0.0" in text


def test_slots_are_told_with_how_long_they_were_taken_and_the_channels_that_are_read() -> None:
    metrics = WorkerMetrics(lambda: 0, lambda: [True], {"async": 100, "loop": 1}, {"app.slow": "async"})
    metrics.serves = ["jobs"]
    metrics.handler_seconds.get("app.slow").observe(2.0)
    metrics.handler_seconds.get("app.quick").observe(0.5)
    metrics.handler_seconds.get("app.other").observe(0.25)

    samples = Samples(metrics.exposition().decode())

    assert samples.by("trunkline_worker_slots", "kind") == {"async": 100.0, "loop": 1.0}
    assert samples.by("trunkline_worker_slot_seconds_total", "kind") == {"async": 2.0, "loop": 0.75}
    assert samples.by("trunkline_worker_serves", "channel") == {"jobs": 1.0}


def test_a_load_is_that_of_the_slots_if_they_are_busier_than_the_processor() -> None:
    metrics = WorkerMetrics(lambda: 0, lambda: [True], {"loop": 1})
    assert metrics.load(0.0) == Load(0.0, 0.0, 0)
    metrics.handler_seconds.get("app.slow").observe(90_000.0)
    metrics.batch_entries.observe(8, 2)

    load = metrics.load(100_000.0)

    assert load.busy == pytest.approx(0.9) and load.taken_per_s == pytest.approx(16e-5)


@pytest.mark.parametrize(
    ("threads", "is_async", "slots", "kinds"),
    [
        (0, False, {"loop": 1}, {"app.work": "loop"}),
        (4, False, {"threads": 4}, {"app.work": "threads"}),
        (0, True, {"async": 7}, {"app.work": "async"}),
    ],
)
def test_the_slots_of_a_worker_are_those_that_its_routes_take(
    threads: int, is_async: bool, slots: dict[str, int], kinds: dict[str, str]
) -> None:
    settings = WorkerOptions.model_validate({"threads": threads, "concurrency": 7})
    route = SimpleNamespace(name="app.work", is_async=is_async)

    assert slots_of([route], settings) == (slots, kinds)
    assert slots_of([], settings) == ({"threads": 4} if threads else {"loop": 1}, {})
