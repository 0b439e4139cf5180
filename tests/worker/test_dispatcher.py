"""The dispatcher over a layer that does what the test says: what it reads, holds, commits and leaves."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

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
from tests.support.waiting import until
from trunkline.protocol.codec import encode_session
from trunkline.protocol.errors import LayerUnavailable, MessageError
from trunkline.protocol.messages import Outcome, Unregister
from trunkline.worker import Group, Message, channel_session, route
from trunkline.worker.dispatcher import ROOM
from trunkline.worker.job import Job
from trunkline.worker.routing import retry

RECEIVE, CONNECT = "websocket.receive", "websocket.connect"


def echo(message: Message) -> None:
    message.reply_channel.send({"text": message["text"]})


class Gate:
    """An async handler that a test lets through, and that says who is inside."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.inside: list[str] = []
        self.most = 0

    async def handler(self, message: Message) -> None:
        self.inside.append(message["text"])
        self.most = max(self.most, len(self.inside))
        try:
            await self.open.wait()
        finally:
            self.inside.remove(message["text"])
        echo(message)


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


async def test_what_is_handled_together_is_committed_together() -> None:
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

    desk = Desk([route(RECEIVE, handler, on_error=retry(1, 3600))], concurrency=1)
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
    assert desk.count('dead_letters_total{reason="poison"}') == 2
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
        route(RECEIVE, failing, text="^fail", on_error=retry(1, 3600)),
        route(RECEIVE, echo),
    ]
    desk = Desk(routes)
    desk.give(frames("fail"), frames("gate", connection="c2"))
    await until(lambda: gate.inside == ["gate"])
    suspect = frames("suspect", connection="c3", attempt=2)
    desk.give(suspect)
    assert not desk.layer.reading or suspect.id not in desk.outcomes
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


# ---- sending before the end ----


async def test_a_flush_applies_early_and_outlives_what_is_raised_later() -> None:
    async def handler(message: Message) -> None:
        Group("room").send({"text": "early"})
        await message.flush()
        echo(message)
        raise ValueError

    desk = Desk([route(RECEIVE, handler)])
    given = frames("late")
    found = await desk.effects(given)
    assert [(payloads(effects), within) for effects, within in desk.layer.applied] == [(["early"], given)]
    assert payloads(found) == []


async def test_a_flush_waits_until_it_is_applied() -> None:
    async def handler(message: Message) -> None:
        echo(message)
        await message.flush()
        message.reply_channel.send({"text": "after"})

    desk = Desk([route(RECEIVE, handler)])
    desk.layer.answers = False
    given = frames("early")
    desk.give(given)
    await until(lambda: desk.layer.applied)
    assert given.id not in desk.outcomes
    desk.layer.answer()
    assert payloads((await desk.handled(given))[0]) == ["after"]


@pytest.mark.parametrize("options", [{}, {"threads": 1}])
async def test_what_is_sent_immediately_outlives_what_is_raised_later(options: dict[str, Any]) -> None:
    applied = threading.Event()

    def handler(message: Message) -> None:
        message.reply_channel.send({"text": "now"}, immediately=True)
        if options:
            applied.wait(10)  # it goes out while the handler is still at work
        raise ValueError

    async def handler_async(message: Message) -> None:
        message.reply_channel.send({"text": "now"}, immediately=True)
        await asyncio.sleep(0)
        raise ValueError

    desk = Desk([route(RECEIVE, handler if options else handler_async)], **options)
    given = frames("x")
    desk.give(given)
    await until(lambda: desk.layer.applied)
    applied.set()
    (found,) = await desk.handled(given)
    assert [payloads(effects) for effects, _ in desk.layer.applied] == [["now"]]
    assert payloads(found) == []
    await desk.dispatcher.drain()


async def test_what_a_def_handler_on_the_loop_sends_immediately_goes_out_with_its_end() -> None:
    def handler(message: Message) -> None:
        message.reply_channel.send({"text": "now"}, immediately=True)

    desk = Desk([route(RECEIVE, handler)])
    assert payloads(await desk.effects(frames("x"))) == ["now"]
    await asyncio.sleep(0)
    assert desk.layer.applied == []


async def test_nothing_can_be_sent_by_what_a_handler_left_behind() -> None:
    refused: list[Exception] = []

    async def later(message: Message) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        try:
            message.reply_channel.send({"text": "too late"})
        except MessageError as error:
            refused.append(error)

    left: set[asyncio.Task[None]] = set()

    def handler(message: Message) -> None:
        left.add(asyncio.get_running_loop().create_task(later(message)))

    desk = Desk([route(RECEIVE, handler)])
    assert payloads(await desk.effects(frames("x"))) == []
    await until(lambda: refused)
    assert "has ended" in str(refused[0])


# ---- the end ----


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

    desk = Desk([route(RECEIVE, handler, on_error=retry(1, 3600))])
    given = frames("x")
    desk.give(given)
    assert desk.dispatcher.busy == 1
    await desk.dispatcher.drain()
    assert desk.layer.returned == [given]
    assert desk.count("given_back_total") == 1
    assert desk.outcomes == {}


async def test_a_drain_ends_also_when_nothing_can_be_handed_on(caplog: pytest.LogCaptureFixture) -> None:
    def handler(message: Message) -> None:
        raise ValueError

    desk = Desk([route(RECEIVE, handler, on_error=retry(1, 3600))])
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
        route(RECEIVE, failing, on_error=retry(1, 0)),
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
    monkeypatch.setattr("trunkline.worker.dispatcher.CANCEL_S", 0.01)
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
