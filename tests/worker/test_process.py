"""A worker as a whole over the in-memory layer: what it serves, its readiness, its drain."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tests.support.fake_worker_layer import FakeWorkerLayer, frames
from tests.support.waiting import until
from trunkline.protocol.errors import ConfigError
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.messages import Delivery
from trunkline.worker import Message, route
from trunkline.worker.process import WorkerProcess, served_channels
from trunkline.worker.routing import Routing
from trunkline.worker.settings import WorkerOptions

RECEIVE = "websocket.receive"


def handler(message: Message) -> None: ...


def options(**given: Any) -> WorkerOptions:
    return WorkerOptions.model_validate(given)


def routing(*channels: str) -> Routing:
    return Routing.load([route(channel, handler) for channel in channels])


def served(table: Routing, **given: Any) -> list[str]:
    return list(served_channels(table, options(**given)))


# ---- channels ----

ALL = ["http.request", "trunkline.trip", "websocket.connect", "websocket.disconnect", "websocket.receive"]


def test_the_interface_servers_channels_are_served_without_routes_too() -> None:
    assert served(routing("work")) == [*ALL, "work"]


def test_globs_choose_and_the_trip_is_always_answered() -> None:
    table = routing("mail.in", "mail.out", "work")
    assert served(table, only_channels=["mail.*"]) == ["mail.in", "mail.out", "trunkline.trip"]
    assert served(table, only_channels=["mail.*", "work"], exclude_channels=["*.out"]) == [
        "mail.in",
        "work",
        "trunkline.trip",
    ]
    assert served(table, exclude_channels=["websocket.*", "trunkline.*", "mail.*"]) == [
        "http.request",
        "work",
        "trunkline.trip",
    ]


def test_globs_that_leave_nothing_are_refused_with_what_there_is() -> None:
    with pytest.raises(
        ConfigError, match=r"--only-channels typo\* and --exclude-channels - leave none of.*work"
    ):
        served(routing("work"), only_channels=["typo*"])
    with pytest.raises(ConfigError, match=r"--only-channels \* and --exclude-channels \* leave none"):
        served(routing("work"), exclude_channels=["*"])


def test_a_worker_of_a_track_serves_all_that_its_connections_say() -> None:
    table = routing("mail.in")
    assert served(table, track="v2", exclude_channels=["mail.*"]) == ALL
    with pytest.raises(
        ConfigError,
        match=r"--track v2 and channels that leave out http.request: connections of the track would wait",
    ):
        served(table, track="v2", only_channels=["websocket.*"])


async def test_a_worker_that_would_serve_nothing_is_not_made() -> None:
    with pytest.raises(ConfigError):
        WorkerProcess(options(exclude_channels=["*"]), MemoryBus().worker(), routing("work"))


# ---- life ----


async def test_it_is_ready_from_its_start_to_its_drain_and_says_who_it_is() -> None:
    bus = MemoryBus()
    worker = WorkerProcess(options(), bus.worker(), routing(RECEIVE))
    assert worker.ready() == "not started"
    await worker.start("127.0.0.1:9", "chat.routing")
    assert worker.ready() is None
    (info,) = bus.workers.values()
    assert (info.id, info.role, info.admin, info.detail) == (
        worker.id,
        "worker",
        "127.0.0.1:9",
        "chat.routing",
    )
    worker.dispatcher.away()
    assert worker.ready() == "Redis does not answer"
    await worker.drain()
    assert worker.ready() == "not started"
    assert bus.workers == {}


async def test_what_is_asked_with_the_lease_is_asked_before_any_handler_keeps_the_loop() -> None:
    bus, asked = MemoryBus(), []
    handled = asyncio.Event()
    given = frames("x")
    bus.put(given.channel, given.body)

    async def handle(message: Message) -> None:
        handled.set()

    async def leased() -> None:
        asked.append(list(bus.workers))
        for _ in range(100):  # turns of the loop: many more than from a read to its handler
            await asyncio.sleep(0)
        assert not handled.is_set()

    worker = WorkerProcess(options(), bus.worker(), Routing.load([route(RECEIVE, handle)]))
    await worker.start(leased=leased)
    await handled.wait()
    assert asked == [[worker.id]]
    await worker.drain()


async def test_a_start_that_is_refused_with_the_lease_gives_it_up() -> None:
    bus = MemoryBus()
    worker = WorkerProcess(options(), bus.worker(), routing(RECEIVE))

    async def leased() -> None:
        raise ConfigError("other shards")

    with pytest.raises(ConfigError, match="other shards"):
        await worker.start(leased=leased)
    assert bus.workers == {}
    assert worker.ready() == "not started"


async def test_a_drain_finishes_and_commits_what_is_held() -> None:
    bus, go_on, begun = MemoryBus(), asyncio.Event(), asyncio.Event()

    async def waiting(message: Message) -> None:
        begun.set()
        await go_on.wait()

    worker = WorkerProcess(options(), bus.worker(), Routing.load([route(RECEIVE, waiting)]))
    given = frames("x")
    bus.put(given.channel, given.body)
    await worker.start()
    await begun.wait()
    draining = asyncio.ensure_future(worker.drain())
    await until(lambda: worker.ready() is not None)
    go_on.set()
    await draining
    assert bus.stream(given.channel).stats(0.0).length == 0
    assert not worker.at_work


async def test_a_drain_over_its_limit_leaves_the_rest_to_others(caplog: pytest.LogCaptureFixture) -> None:
    bus, begun = MemoryBus(), asyncio.Event()
    cancelled: list[str] = []

    async def waiting(message: Message) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(message["text"])
            raise

    worker = WorkerProcess(options(drain_s=0.02), bus.worker(), Routing.load([route(RECEIVE, waiting)]))
    given = frames("x")
    bus.put(given.channel, given.body)
    await worker.start()
    await begun.wait()
    await worker.drain()
    assert cancelled == ["x"]
    assert "entries left to others=1" in caplog.text
    assert not worker.at_work
    (left,) = bus.stream(given.channel).take(1, worker.id, 0.0)
    assert left.attempt == 2


async def test_a_thread_that_outlives_the_drain_is_told_of() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def stuck(message: Message) -> None:
        begun.set()
        go_on.wait(10)

    bus = MemoryBus()
    worker = WorkerProcess(
        options(drain_s=0.02, threads=1), bus.worker(), Routing.load([route(RECEIVE, stuck)])
    )
    bus.put(frames("x").channel, frames("x").body)
    await worker.start()
    await until(begun.is_set)
    await worker.drain()
    assert worker.at_work
    go_on.set()
    await until(lambda: not worker.at_work)


async def test_draining_it_closes_the_layer_last() -> None:
    layer = FakeWorkerLayer()
    worker = WorkerProcess(options(), layer, routing(RECEIVE))
    await worker.start()
    layer.answers = False
    given: Delivery = frames("x")
    layer.give(given)
    draining = asyncio.ensure_future(worker.drain())
    await until(lambda: not layer.reading)
    assert not layer.closed
    layer.answer()
    await draining
    assert layer.closed
