"""The watchdog, on its own thread beside an event loop that handlers hold up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.fake_worker_layer import Desk, background, frames, payloads
from tests.support.waiting import until
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.messages import Delivery
from trunkline.worker import Message, Retry, route
from trunkline.worker import watchdog as module
from trunkline.worker.declarations import Routes
from trunkline.worker.process import WorkerProcess
from trunkline.worker.routing import Routing
from trunkline.worker.settings import WorkerOptions
from trunkline.worker.watchdog import Watchdog, end_process

RECEIVE = "websocket.receive"
LIMIT_S = 0.05


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.005)
    monkeypatch.setattr(module, "IDLE_S", 0.025)
    monkeypatch.setattr(module, "GIVE_BACK_S", 0.02)
    monkeypatch.setattr(module, "BEAT_S", 0.02)


class Watched:
    """A desk with a watchdog that would end the process.

    Attributes:
        ended: how it would have ended; None while it goes on.
    """

    def __init__(self, routes: Routes, limit_s: float, **options: Any) -> None:
        self.desk = Desk(routes, **options)
        self.ended: ExitCode | None = None
        self.end = threading.Event()
        self.watchdog = Watchdog(self.desk.dispatcher, self.desk.layer, limit_s, self._end)

    def _end(self, code: ExitCode) -> None:
        self.ended = code
        self.end.set()


@asynccontextmanager
async def watched(routes: Routes, limit_s: float = 60.0, **options: Any) -> AsyncIterator[Watched]:
    found = Watched(routes, limit_s, **options)
    found.watchdog.start()
    try:
        yield found
    finally:
        found.watchdog.stop()


def block_until(condition: Callable[[], object]) -> None:
    """Holds its thread."""
    deadline_s = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.001)


def blocking_until(condition: Callable[[], object]) -> Callable[[Message], None]:
    """A def handler that holds its thread for a frame ``block`` until something holds, and answers every other one."""

    def handler(message: Message) -> None:
        if message["text"] == "block":
            block_until(condition)
        message.reply_channel.send({"text": message["text"]})

    return handler


def options(**given: Any) -> WorkerOptions:
    return WorkerOptions.model_validate(given)


async def test_what_waits_behind_a_blocking_handler_is_handed_back() -> None:
    async with watched(
        [route(RECEIVE, blocking_until(lambda: len(found.desk.layer.returned) == 2))]
    ) as found:
        block, *behind = [frames(text, connection=text) for text in ("block", "b", "c")]
        found.desk.give(block, *behind)
        await found.desk.handled(block)
        assert found.desk.layer.returned == behind
        assert found.desk.count("given_back_total") == 2
        assert list(found.desk.outcomes) == [block.id]


async def test_what_has_failed_here_is_tried_again_here_as_nobody_else_knows_how_often_it_has() -> None:
    calls: list[str] = []
    behind = frames("behind", connection="c3")

    def handler(message: Message) -> None:
        text = message["text"]
        calls.append(text)
        if text in "12" and calls.count(text) == 1:
            raise Retry(after_s=0)
        if text == "1":
            found.desk.give(behind)
            block_until(lambda: found.desk.layer.returned)

    async with watched([route(RECEIVE, handler)]) as found:
        one, two = frames("1", connection="c1"), frames("2", connection="c2")
        found.desk.give(one, two)
        await found.desk.handled(one, two)
        assert found.desk.layer.returned == [behind]
        assert calls == ["1", "2", "1", "2"]


async def test_what_was_done_before_a_blocking_handler_is_committed_while_it_blocks() -> None:
    async with watched([route(RECEIVE, blocking_until(lambda: found.desk.layer.commits))]) as found:
        quick, block = frames("quick"), frames("block", connection="c2")
        found.desk.give(quick, block)
        await found.desk.handled(quick, block)
        assert [[done.delivery for done in commit] for commit in found.desk.layer.commits] == [
            [quick],
            [block],
        ]


async def test_what_cannot_be_committed_meanwhile_is_committed_in_the_end() -> None:
    warned = threading.Event()

    async with watched([route(RECEIVE, blocking_until(warned.is_set))]) as found:
        found.desk.layer.refuses_back = LayerUnavailable("away")
        rescue = found.desk.dispatcher.committer.rescue

        def noted() -> int:
            warned.set()
            return rescue()

        quick, block = frames("quick"), frames("block", connection="c2")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(found.desk.dispatcher.committer), "rescue", lambda self: noted())
            found.desk.give(quick, block)
            await found.desk.handled(quick, block)
        assert found.desk.count("watchdog_failures_total") == 0


async def test_what_waits_for_a_slot_is_handed_back() -> None:
    go_on = asyncio.Event()

    async def handler(message: Message) -> None:
        await go_on.wait()

    async with watched([route(RECEIVE, handler)], concurrency=1) as found:
        first, second = frames("1"), frames("2", connection="c2")
        found.desk.give(first, second)
        await until(lambda: found.desk.layer.returned == [second])
        go_on.set()
        await found.desk.handled(first)


async def test_another_worker_gets_what_waits_while_the_first_one_still_blocks() -> None:
    begun, done = threading.Event(), threading.Event()

    def block(message: Message) -> None:
        begun.set()
        done.wait(10)

    def quick(message: Message) -> None:
        done.set()

    # The in-memory layer takes entries back on its event loop, so what blocks is a thread, and what waits waits for it.
    bus = MemoryBus()
    routing = Routing.load([route(RECEIVE, block), route("work", quick)])
    first, second = (WorkerProcess(options(threads=1), bus.worker(), routing) for _ in range(2))
    for given in (frames("x"), background("work", {})):
        bus.put(given.channel, given.body)
    await first.start()
    await until(begun.is_set)
    await second.start()
    await until(done.is_set)
    # Its thread counts when it is done with giving back, which the other may be quicker than.
    await until(lambda: first.dispatcher.metrics.given_back.value == 1)
    await first.drain()
    await second.drain()


async def test_what_cannot_be_handed_back_is_run_here_after_all(caplog: pytest.LogCaptureFixture) -> None:
    tried = threading.Event()

    async with watched([route(RECEIVE, blocking_until(tried.is_set))]) as found:

        def refuse(deliveries: list[Delivery], after_ms: int = 0) -> None:
            tried.set()
            # The handler ends, and its loop finds an empty queue, while this is still under way.
            time.sleep(0.05)
            raise LayerUnavailable("away")

        found.desk.layer.give_back = refuse  # type: ignore[method-assign, assignment]
        block, behind = frames("block"), frames("behind", connection="c2")
        found.desk.give(block, behind)
        answers = await found.desk.handled(block, behind)
        assert [payloads(effects) for effects in answers] == [["block"], ["behind"]]
        assert found.desk.count("given_back_total") == 0
        # The watchdog's thread wakes the loop first, and says so then.
        await until(lambda: "cannot hand back entries=1: away" in caplog.text)


async def test_an_error_of_the_layer_does_not_end_the_watch_and_loses_no_entry(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def failed_twice() -> bool:
        return found.desk.dispatcher.metrics.watchdog_failures.value >= 2

    async with watched([route(RECEIVE, blocking_until(failed_twice))]) as found:
        found.desk.layer.refuses_back = RuntimeError("broken")
        block, behind = frames("block"), frames("behind", connection="c2")
        found.desk.give(block, behind)
        await found.desk.handled(block, behind)
        assert "the watchdog failed and goes on: RuntimeError('broken')" in caplog.text


async def test_it_looks_again_when_a_handler_will_have_held_the_event_loop_too_long() -> None:
    desk = Desk([route(RECEIVE, lambda message: None)])
    watchdog = Watchdog(desk.dispatcher, desk.layer, 60.0)
    assert watchdog._pause_s(10.0) == module.IDLE_S

    desk.dispatcher.runner.began_s = 10.0

    assert watchdog._pause_s(10.0) == pytest.approx(module.GIVE_BACK_S)
    assert watchdog._pause_s(10.015) == pytest.approx(0.005)
    assert watchdog._pause_s(10.5) == module.POLL_S


async def test_a_quick_handler_is_left_alone() -> None:
    async with watched([route(RECEIVE, blocking_until(lambda: True))], LIMIT_S) as found:
        for number in range(20):
            await found.desk.handle(frames("quick", connection=f"c{number}"))
        beats = found.watchdog._beat_s
        await until(lambda: found.watchdog._beat_s > beats, what="signs of life of the event loop")
        assert (found.ended, found.desk.layer.returned) == (None, [])


async def test_a_def_handler_that_never_ends_ends_the_worker_and_shows_its_stack(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with watched([route(RECEIVE, blocking_until(lambda: found.end.is_set()))], LIMIT_S) as found:
        await found.desk.handle(frames("block"))
        assert found.ended is ExitCode.STUCK
    assert "a handler is stuck for over" in caplog.text
    assert "in handler" in caplog.text


async def test_an_async_handler_that_blocks_the_loop_ends_the_worker() -> None:
    async def handler(message: Message) -> None:
        found.end.wait(10)

    async with watched([route(RECEIVE, handler)], LIMIT_S) as found:
        await found.desk.handle(frames("x"))
        assert found.ended is ExitCode.STUCK


async def test_a_thread_that_never_ends_ends_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    routes = [route(RECEIVE, blocking_until(lambda: found.end.is_set()))]
    async with watched(routes, LIMIT_S, threads=2) as found:
        await found.desk.handle(frames("block"))
        assert found.ended is ExitCode.STUCK
        await found.desk.dispatcher.drain()
    assert "in handler" in caplog.text


async def test_a_thread_that_is_gone_has_no_stack(caplog: pytest.LogCaptureFixture) -> None:
    async with watched([route(RECEIVE, lambda message: None)], LIMIT_S) as found:
        found.desk.dispatcher.runner.threads_began_s[-1] = 0.0
        await until(found.end.is_set)
    assert "(gone)" in caplog.text


async def test_a_closed_loop_is_asked_for_nothing() -> None:
    async with watched([route(RECEIVE, lambda message: None)]) as found:
        asked = threading.Event()

        def is_closed() -> bool:
            asked.set()
            return True

        found.watchdog._loop = type("Closed", (), {"is_closed": staticmethod(is_closed)})()
        await until(asked.is_set)
    assert found.ended is None


def test_the_end_is_not_kept_waiting_by_a_lock_of_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_WORDS_S", 0.01)
    codes: list[int] = []
    monkeypatch.setattr("os._exit", codes.append)
    never = threading.Event()
    monkeypatch.setattr("logging.shutdown", lambda: never.wait(10))
    end_process(ExitCode.STUCK)
    never.set()
    assert codes == [ExitCode.STUCK]


async def test_stopping_it_twice_or_before_its_start_is_nothing() -> None:
    found = Watched([route(RECEIVE, lambda message: None)], 60.0)
    found.watchdog.stop()
    found.watchdog.stop()
