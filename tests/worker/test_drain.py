"""How a dispatcher ends: drained, or cut off."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.fake_worker_layer import (
    Desk,
    frames,
    payloads,
)
from tests.support.gate import Gate, echo
from tests.support.waiting import until
from trunkline.protocol.errors import LayerUnavailable
from trunkline.worker import Message, Retry, channel_session, route

RECEIVE = "websocket.receive"


async def test_a_drain_reads_no_more_and_commits_what_is_held() -> None:
    gate = Gate()
    desk = Desk([route(RECEIVE, gate.handler)])
    given = frames("held")
    desk.give(given)
    await until(lambda: gate.inside == ["held"])
    draining = asyncio.ensure_future(desk.dispatcher.drain())
    await until(lambda: not desk.layer.reading)
    gate.open.set()
    await draining
    assert payloads(desk.outcomes[given.id]) == ["held"]
    assert not desk.layer.reading
    assert desk.dispatcher.busy == 0


async def test_a_drain_waits_for_the_answer_to_its_last_commit() -> None:
    desk = Desk([route(RECEIVE, echo)])
    desk.layer.answers = False
    await desk.handle(frames("x"))
    draining = asyncio.ensure_future(desk.dispatcher.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    desk.layer.answer()
    await draining


async def test_a_drain_hands_on_what_waits_to_be_tried_again_instead_of_waiting() -> None:
    def handler(message: Message) -> None:
        raise ValueError

    desk = Desk([route(RECEIVE, handler, on_error=Retry(1, 3600, 3600))])
    given = frames("x")
    desk.give(given)
    assert desk.dispatcher.busy == 1
    await desk.dispatcher.drain()
    assert desk.layer.returned == [given]
    # Nobody shall try it before its time: what was waited for may still be away.
    assert 3_000_000 * 0.8 <= desk.layer.rested_ms[0] <= 3_600_000
    assert desk.count("given_back_total") == 1
    assert desk.outcomes == {}


async def test_a_drain_ends_also_when_nothing_can_be_handed_on(caplog: pytest.LogCaptureFixture) -> None:
    def handler(message: Message) -> None:
        raise ValueError

    desk = Desk([route(RECEIVE, handler, on_error=Retry(1, 3600, 3600))])
    desk.layer.refuses_back = LayerUnavailable("away")
    desk.give(frames("x"))
    await desk.dispatcher.drain()
    assert "cannot hand back entries=1" in caplog.text
    assert desk.count("given_back_total") == 0


async def test_what_arrives_during_a_drain_is_handled_and_after_it_left_alone() -> None:
    gate = Gate()
    desk = Desk([route(RECEIVE, gate.handler, text="^gate"), route(RECEIVE, echo)])
    desk.give(frames("gate"))
    await until(lambda: gate.inside == ["gate"])
    draining = asyncio.ensure_future(desk.dispatcher.drain())
    await asyncio.sleep(0)
    during, after = frames("during", connection="c2"), frames("after", connection="c3")
    await desk.handle(during)
    gate.open.set()
    await draining
    desk.give(after)
    assert desk.dispatcher.busy == 0
    assert after.id not in desk.outcomes


async def test_cut_off_it_cancels_handlers_and_commits_nothing_more() -> None:
    gate = Gate()

    def failing(message: Message) -> None:
        raise ValueError

    @channel_session
    def with_session(message: Message) -> None:
        raise AssertionError("it ran")

    routes = [
        route(RECEIVE, gate.handler, text="^gate"),
        route(RECEIVE, with_session, text="^session"),
        route(RECEIVE, failing, on_error=Retry(1, 0)),
    ]
    desk = Desk(routes, concurrency=1)
    desk.layer.answers_sessions = False
    desk.give(frames("fail"), *(frames("gate", connection=f"g{n}") for n in "12"))
    await until(lambda: gate.inside == ["gate"])
    desk.give(frames("session", connection="c2"))
    await desk.dispatcher.cut_off()
    desk.layer.answer()
    assert gate.inside == []
    assert desk.outcomes == {}
    assert not desk.dispatcher.at_work
    assert not desk.dispatcher.queue


async def test_cut_off_it_does_not_wait_for_a_handler_that_refuses_to_be_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trunkline.worker.tasks.CANCEL_S", 0.01)
    let_go = asyncio.Event()

    async def handler(message: Message) -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    desk = Desk([route(RECEIVE, handler)])
    desk.give(frames("x"))
    await until(lambda: desk.dispatcher.at_work)
    await asyncio.sleep(0)
    await desk.dispatcher.cut_off()
    assert desk.dispatcher.at_work
    let_go.set()
    await until(lambda: not desk.dispatcher.at_work)
    assert desk.outcomes == {}


async def test_cut_off_it_never_reads_again() -> None:
    desk = Desk([route(RECEIVE, echo)])
    await desk.dispatcher.cut_off()
    before = list(desk.layer.reads)
    desk.dispatcher.start()
    assert desk.layer.reads == before
