"""The dispatcher over a layer that does what the test says: what it reads, holds, commits and leaves."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.support.compiled import interpreted
from tests.support.fake_worker_layer import (
    Desk,
    background,
    connect,
    disconnect,
    frames,
    letters,
    payloads,
    request,
)
from tests.support.gate import Gate, echo
from tests.support.waiting import until
from trunkline.protocol.codec import encode_session
from trunkline.protocol.messages import Outcome, Unregister
from trunkline.worker import Message, Retry, channel_session, dispatcher, route
from trunkline.worker.dispatcher import ROOM
from trunkline.worker.job import Job

RECEIVE, CONNECT = "websocket.receive", "websocket.connect"


# ---- reading ----


async def test_it_reads_on_after_each_answer_and_never_while_a_read_waits_for_slots() -> None:
    gate = Gate()
    desk = Desk([route(RECEIVE, gate.handler)], concurrency=2)
    assert desk.layer.reads == [2]
    one, two = frames("1"), frames("2", connection="c2")
    desk.give(one, two)
    await until(lambda: len(gate.inside) == 2)
    assert not desk.layer.reading
    gate.open.set()
    await desk.handled(one, two)
    assert desk.layer.reading


async def test_the_answer_of_a_commit_asks_for_nothing_while_a_read_waits() -> None:
    desk = Desk([route(RECEIVE, lambda message: None)])
    desk.layer.answers = False
    await desk.handle(frames("1"))
    asked = len(desk.layer.reads)

    desk.layer.answer()

    assert desk.layer.reading
    assert len(desk.layer.reads) == asked


async def test_slow_handlers_lower_what_is_read_at_once() -> None:
    def handler(message: Message) -> None:
        began_s = time.perf_counter()
        while time.perf_counter() - began_s < 0.01:
            pass

    desk = Desk([route(RECEIVE, handler)])
    assert desk.layer.reads[-1] == 8
    for _ in range(4):
        await desk.handle(frames("x"))
    assert desk.layer.reads[-1] < 4


async def test_fast_async_handlers_raise_it() -> None:
    async def handler(message: Message) -> None: ...

    desk = Desk([route(RECEIVE, handler)])
    for _ in range(30):
        await desk.handle(*(frames("x", connection=f"c{number}") for number in range(8)))
    assert desk.layer.reads[-1] > 16


async def test_no_more_is_read_while_redis_does_not_answer_commits() -> None:
    desk = Desk([route(RECEIVE, echo)])
    desk.layer.answers = False
    batch = [frames("x", connection=f"c{number}") for number in range(4001)]
    await desk.handle(*batch)
    assert not desk.layer.reading
    desk.layer.answer()
    assert desk.layer.reading


async def test_no_more_is_read_than_sessions_are_waited_for() -> None:
    @channel_session
    def handler(message: Message) -> None: ...

    desk = Desk([route(RECEIVE, handler)])
    desk.layer.answers_sessions = False
    desk.give(*(frames("x", connection=f"c{number}") for number in range(8)))
    assert not desk.layer.reading
    desk.layer.answer()
    await until(lambda: desk.layer.reading)


# ---- order, slices, commits ----


async def test_what_is_handled_together_is_committed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine 50 may take longer than a slice, and then the first are rightly committed before the last.
    monkeypatch.setattr(dispatcher, "SLICE_S", 60.0)
    desk = Desk([route(RECEIVE, echo)])
    await desk.handle(*(frames("x", connection=f"c{number}") for number in range(50)))
    assert [len(commit) for commit in desk.layer.commits] == [50]


async def test_async_handlers_that_end_together_are_committed_together() -> None:
    gate = Gate()
    desk = Desk([route(RECEIVE, gate.handler)])
    batch = [frames("x", connection=f"c{number}") for number in range(50)]
    desk.give(*batch)
    await until(lambda: len(gate.inside) == 50)
    gate.open.set()
    await desk.handled(*batch)
    assert [len(commit) for commit in desk.layer.commits] == [50]


async def test_the_first_is_committed_before_the_last_of_a_slow_batch_has_run() -> None:
    committed_when: list[int] = []

    def handler(message: Message) -> None:
        committed_when.append(len(desk.layer.commits))
        began_s = time.perf_counter()
        while time.perf_counter() - began_s < 0.005:
            pass

    desk = Desk([route(RECEIVE, handler)])
    await desk.handle(*(frames("x", connection=f"c{number}") for number in range(4)))
    assert committed_when == [0, 1, 2, 3]


async def test_other_events_get_their_turn_between_slow_handlers() -> None:
    order: list[str] = []

    def handler(message: Message) -> None:
        order.append(message["text"])
        if message["text"] == "1":
            asyncio.get_running_loop().call_soon(order.append, "other")
        began_s = time.perf_counter()
        while time.perf_counter() - began_s < 0.005:
            pass

    desk = Desk([route(RECEIVE, handler)])
    await desk.handle(frames("1"), frames("2", connection="c2"))
    assert order == ["1", "other", "2"]


# ---- how many at once ----


async def test_no_more_async_handlers_are_at_work_than_allowed_whatever_is_delivered() -> None:
    gate = Gate()
    desk = Desk([route(RECEIVE, gate.handler)], concurrency=3)
    batch = [frames(str(number), connection=f"c{number}") for number in range(9)]
    desk.give(*batch)
    await until(lambda: len(gate.inside) == 3)
    assert desk.dispatcher.full_since_s is not None
    assert len(desk.dispatcher.queue) == 6
    gate.open.set()
    await desk.handled(*batch)
    assert gate.most == 3
    assert desk.dispatcher.full_since_s is None


async def test_so_many_threads_work_at_once_and_no_more_is_read_meanwhile() -> None:
    barrier = threading.Barrier(2, timeout=10)

    def handler(message: Message) -> None:
        barrier.wait()  # passes only if two are here at the same time
        echo(message)

    desk = Desk([route(RECEIVE, handler)], threads=2)
    assert desk.layer.reads == [2]
    batch = [frames(str(number), connection=f"c{number}") for number in range(6)]
    desk.give(*batch)
    assert not desk.layer.reading
    await desk.handled(*batch)
    assert desk.layer.reading
    await desk.dispatcher.drain()


async def test_async_handlers_take_no_slots_of_threads() -> None:
    gate = Gate()
    desk = Desk([route(RECEIVE, gate.handler), route("work", lambda message: None)], threads=1)
    desk.give(frames("waits"))
    await until(lambda: gate.inside == ["waits"])
    assert desk.layer.reads[-1] == 1
    await desk.handle(background("work", {}))
    gate.open.set()
    await desk.dispatcher.drain()


async def test_a_handler_that_waits_to_be_tried_again_holds_no_slot() -> None:
    async def handler(message: Message) -> None:
        if message["text"] == "bad":
            raise ValueError
        echo(message)

    desk = Desk([route(RECEIVE, handler, on_error=Retry(1, 3600))], concurrency=1)
    desk.give(frames("bad"))
    await until(lambda: desk.layer.reading)
    assert payloads(await desk.effects(frames("good", connection="c2"))) == ["good"]
    await desk.dispatcher.cut_off()


# ---- sessions ----


async def test_a_session_is_read_once_for_an_entry_and_written_once_if_it_changed() -> None:
    @channel_session
    def handler(message: Message) -> None:
        message.channel_session["last"] = message["text"]

    desk = Desk([route(RECEIVE, handler)])
    await desk.handle(frames("a", "b", "c"), frames("d", connection="c2"))
    assert desk.layer.asked == [["c1", "c2"]]
    assert desk.count("sessions_read_total") == 2
    assert desk.count("sessions_written_total") == 2


async def test_entries_whose_sessions_are_on_their_way_are_run_when_they_are_there() -> None:
    @channel_session
    def handler(message: Message) -> None:
        message.reply_channel.send({"text": message.channel_session["name"]})

    desk = Desk([route(RECEIVE, handler, path="^/s"), route(RECEIVE, echo)])
    desk.layer.answers_sessions = False
    desk.layer.stored["c1"] = encode_session({"name": "Ada"})
    waiting, other = frames("x", path="/s"), frames("y", connection="c2")
    desk.give(waiting, other)
    assert waiting.id not in desk.outcomes
    desk.layer.answer()
    answers = await desk.handled(waiting, other)
    assert [payloads(effects) for effects in answers] == [["Ada"], ["y"]]


# ---- redelivered and poisonous ----


async def test_a_redelivered_entry_is_handled_and_says_so() -> None:
    seen: list[tuple[int, bool]] = []

    def handler(message: Message) -> None:
        seen.append((message.attempt, message.redelivered))

    desk = Desk([route(RECEIVE, handler)])
    await desk.effects(frames("x", attempt=3))
    assert seen == [(3, True)]
    assert desk.count('redeliveries_total{channel="websocket.receive"}') == 1


async def test_an_entry_under_which_three_workers_died_is_not_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def handler(message: Message) -> None:
        raise AssertionError("it ran")

    desk = Desk([route(RECEIVE, handler)])
    found = await desk.effects(frames("a", "b", attempt=4))
    assert [letter.reason for letter in letters(found)] == ["poison", "poison"]
    assert letters(found)[0].error == "PoisonError: 3 workers died with this message"
    known = frames("c", attempt=4)._replace(died=("w1", "w2", "w3"))
    (named,) = letters(await desk.effects(known))
    assert named.error == "PoisonError: 3 workers died with this message: w1, w2, w3"
    assert desk.count('dead_letters_total{reason="poison"}') == 3
    assert "poison" in caplog.text


async def test_poison_of_a_connect_refuses_the_handshake() -> None:
    desk = Desk([route(CONNECT, echo)])
    assert payloads(await desk.effects(connect(attempt=4))) == [{"accept": False, "status": 500}]


async def test_what_was_taken_over_runs_alone_one_after_the_other() -> None:
    held: list[int] = []

    def handler(message: Message) -> None:
        held.append(desk.dispatcher.busy)

    desk = Desk([route(RECEIVE, handler)])
    suspects = [frames(str(number), connection=f"s{number}", attempt=2) for number in range(3)]
    desk.give(frames("fresh"), *suspects)
    assert desk.dispatcher.room() == 0
    await desk.handled(*suspects)
    assert held == [3, 2, 1, 0]
    assert [len(commit) for commit in desk.layer.commits] == [1, 1, 1, 1]


async def test_what_was_taken_over_waits_for_handlers_at_work_but_not_for_those_to_be_tried_again() -> None:
    gate = Gate()

    def failing(message: Message) -> None:
        raise ValueError

    routes = [
        route(RECEIVE, gate.handler, text="^gate"),
        route(RECEIVE, failing, text="^fail", on_error=Retry(1, 3600)),
        route(RECEIVE, echo),
    ]
    desk = Desk(routes)
    desk.give(frames("fail"), frames("gate", connection="c2"))
    await until(lambda: gate.inside == ["gate"])
    suspect = frames("suspect", connection="c3", attempt=2)
    desk.give(suspect)
    assert suspect.id not in desk.outcomes
    gate.open.set()
    await desk.handled(suspect)
    await desk.dispatcher.cut_off()


async def test_an_idle_worker_takes_over_more_than_a_busy_one_and_a_full_one_nothing() -> None:
    gate = Gate()
    desk = Desk([route(RECEIVE, gate.handler)], concurrency=2)
    wide = Desk([route(RECEIVE, gate.handler)])
    assert (desk.dispatcher.room(), wide.dispatcher.room()) == (2, ROOM)
    desk.give(frames("1"))
    await until(lambda: gate.inside == ["1"])
    assert desk.dispatcher.room() == 1
    desk.give(frames("2", connection="c2"))
    await until(lambda: len(gate.inside) == 2)
    assert desk.dispatcher.room() == 0
    gate.open.set()
    await desk.dispatcher.drain()
    assert desk.dispatcher.room() == 0


# ---- what nobody foresaw ----


@interpreted
async def test_an_error_of_our_own_makes_a_dead_letter_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    finish = Job.finish
    broken: list[Job] = []

    def once(job: Job) -> Outcome:
        if not broken:
            broken.append(job)
            raise AttributeError("nobody foresaw it")
        return finish(job)

    monkeypatch.setattr(Job, "finish", once)
    desk = Desk([route(RECEIVE, echo)])
    bad, good = await desk.handle(frames("bad"), frames("good", connection="c2"))
    assert [letter.error for letter in letters(bad)] == ["AttributeError: nobody foresaw it"]
    assert payloads(good) == ["good"]
    assert desk.count('dead_letters_total{reason="error"}') == 1
    assert "the dispatcher failed channel=websocket.receive" in caplog.text


@interpreted
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_error_while_a_handler_is_prepared_makes_a_dead_letter(
    monkeypatch: pytest.MonkeyPatch, asynchronous: bool
) -> None:
    async def handler_async(message: Message) -> None: ...

    desk = Desk([route(RECEIVE, handler_async if asynchronous else echo)])

    def begin(job: Job, index: int) -> Message:
        raise AttributeError("nobody foresaw it")

    monkeypatch.setattr(Job, "begin", begin)
    assert [letter.reason for letter in letters(await desk.effects(frames("x")))] == ["error"]


async def test_away_and_back_are_remembered() -> None:
    desk = Desk([route(RECEIVE, echo)])
    desk.dispatcher.away()
    assert not desk.dispatcher.redis_up
    assert desk.count("redis_up") == 0
    desk.dispatcher.back()
    assert desk.count("redis_up") == 1


async def test_whole_conversations_are_handled() -> None:
    desk = Desk([route(RECEIVE, echo)])
    opened, talked, closed, asked = await desk.handle(
        connect("a"), frames("hi", connection="a"), disconnect("a"), request(connection="b")
    )
    assert payloads(opened) == [{"accept": True}]
    assert payloads(talked) == ["hi"]
    assert isinstance(closed[-1], Unregister)
    assert payloads(asked)[0]["status"] == 404
