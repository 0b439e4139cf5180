"""Handlers of every kind, run by a whole dispatcher over a layer that does what the test says."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from typing import Any

import pytest

from tests.support.fake_worker_layer import (
    Desk,
    background,
    connect,
    frames,
    letters,
    payloads,
    request,
    written,
)
from tests.support.gate import echo
from tests.support.waiting import until
from trunkline.protocol.codec import encode_session
from trunkline.protocol.errors import ConsumerFinished, DenyConnection
from trunkline.worker import Group, Message, Retry, channel_session, effect_log, route

RECEIVE, CONNECT, REQUEST = "websocket.receive", "websocket.connect", "http.request"
KINDS: list[dict[str, Any]] = [{}, {"threads": 2}]
"""Without threads and with."""


async def echo_async(message: Message) -> None:
    await asyncio.sleep(0)
    message.reply_channel.send({"text": message["text"]})


def echo_or_raise(message: Message) -> None:
    echo(message)
    if message["text"] == "bad":
        raise ValueError("bad frame")


async def echo_or_raise_async(message: Message) -> None:
    echo_or_raise(message)


class OwnBase(BaseException):
    """What gevent's Timeout and pytest's outcomes are: no Exception."""


# ---- the kinds ----


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("handler", [echo, echo_async])
async def test_handlers_of_every_kind_answer(handler: Any, options: dict[str, Any]) -> None:
    desk = Desk([route(RECEIVE, handler)], **options)
    assert payloads(await desk.effects(frames("hello"))) == ["hello"]
    await desk.dispatcher.drain()


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("handler", [echo, echo_async])
async def test_the_events_of_an_entry_are_handled_in_their_order(
    handler: Any, options: dict[str, Any]
) -> None:
    desk = Desk([route(RECEIVE, handler)], **options)
    many = [str(number) for number in range(32)]
    assert payloads(await desk.effects(frames(*many))) == many
    await desk.dispatcher.drain()


@pytest.mark.parametrize("options", KINDS)
async def test_def_and_async_handlers_take_turns_within_an_entry(options: dict[str, Any]) -> None:
    routes = [route(RECEIVE, echo_async, text="^a"), route(RECEIVE, echo, text="^d")]
    desk = Desk(routes, **options)
    given = frames("a1", "d2", "nobody", "a3", "d4")
    assert payloads(await desk.effects(given)) == ["a1", "d2", "a3", "d4"]
    await desk.dispatcher.drain()


async def test_with_threads_def_handlers_run_in_them_also_beside_async_ones() -> None:
    threads = []

    def where(message: Message) -> None:
        threads.append(threading.current_thread().name)

    routes = [route(RECEIVE, echo_async, text="^a"), route(RECEIVE, where)]
    desk = Desk(routes, threads=1)
    await desk.effects(frames("d"))
    await desk.effects(frames("a", "d"))
    assert all(name.startswith("handler") for name in threads)
    assert len(threads) == 2
    await desk.dispatcher.drain()


# ---- raising ----


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("handler", [echo_or_raise, echo_or_raise_async])
async def test_a_raising_event_drops_its_own_effects_and_no_others(
    handler: Any, options: dict[str, Any]
) -> None:
    desk = Desk([route(RECEIVE, handler)], **options)
    found = await desk.effects(frames("one", "bad", "three", seq=1))
    assert payloads(found) == ["one", "three"]
    (letter,) = letters(found)
    assert (letter.reason, letter.error, letter.worker) == ("error", "ValueError: bad frame", "w1")
    assert desk.count('dead_letters_total{reason="error"}') == 1
    await desk.dispatcher.drain()


async def test_a_raising_event_drops_its_own_session_changes_and_no_others() -> None:
    @channel_session
    def count(message: Message) -> None:
        session = message.channel_session
        session["seen"] = [*session.get("seen", []), message["text"]]
        if message["text"] == "bad":
            raise ValueError

    desk = Desk([route(RECEIVE, count)])
    found = await desk.effects(frames("one", "bad", "three"))
    assert written(found) == [encode_session({"seen": ["one", "three"]})]
    assert letters(found)[0].session == encode_session({"seen": ["one"]})


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize(
    "error",
    [SystemExit(3), OwnBase(), StopIteration(), GeneratorExit(), asyncio.CancelledError(), TimeoutError()],
)
async def test_whatever_a_def_handler_raises_only_its_message_fails(
    error: BaseException, options: dict[str, Any]
) -> None:
    def handler(message: Message) -> None:
        if message["text"] == "bad":
            raise error
        echo(message)

    desk = Desk([route(RECEIVE, handler)], **options)
    first, second = await desk.handle(frames("bad"), frames("good", connection="c2"))
    assert [letter.reason for letter in letters(first)] == ["error"]
    assert payloads(second) == ["good"]
    await desk.dispatcher.drain()


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("error", [SystemExit(3), OwnBase(), asyncio.CancelledError(), TimeoutError()])
async def test_whatever_an_async_handler_raises_only_its_message_fails(
    error: BaseException, options: dict[str, Any]
) -> None:
    async def handler(message: Message) -> None:
        raise error

    desk = Desk([route(RECEIVE, handler)], **options)
    assert [letter.reason for letter in letters(await desk.effects(frames("bad")))] == ["error"]
    await desk.dispatcher.drain()


async def test_a_handler_that_awaits_what_was_cancelled_fails_and_is_not_lost() -> None:
    async def handler(message: Message) -> None:
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        never.cancel()
        await never

    desk = Desk([route(RECEIVE, handler)])
    assert letters(await desk.effects(frames("x")))[0].error.startswith("CancelledError")


async def test_a_handler_that_cancels_its_own_task_fails_and_is_not_lost() -> None:
    async def handler(message: Message) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    desk = Desk([route(RECEIVE, handler)])
    assert letters(await desk.effects(frames("x")))[0].error.startswith("CancelledError")


async def test_an_interrupt_goes_through_and_leaves_the_rest_of_the_queue_alive() -> None:
    def handler(message: Message) -> None:
        if message["text"] == "interrupt":
            raise KeyboardInterrupt
        echo(message)

    desk = Desk([route(RECEIVE, handler)])
    good = frames("good", connection="c2")
    with pytest.raises(KeyboardInterrupt):
        desk.give(frames("interrupt"), good)
    assert payloads((await desk.handled(good))[0]) == ["good"]


@pytest.mark.parametrize("options", KINDS)
async def test_a_def_handler_that_returns_a_coroutine_is_told_so(options: dict[str, Any]) -> None:
    def undecorated(message: Message) -> Any:
        return echo_async(message)

    desk = Desk([route(RECEIVE, undecorated)], **options)
    (letter,) = letters(await desk.effects(frames("x")))
    assert "returned coroutine, which nobody awaits" in letter.error
    await desk.dispatcher.drain()


async def test_a_def_handler_that_returns_a_future_is_told_so() -> None:
    def handler(message: Message) -> Any:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    desk = Desk([route(RECEIVE, handler)])
    assert "which nobody awaits" in letters(await desk.effects(frames("x")))[0].error


async def test_what_else_a_handler_returns_is_nobodys_business() -> None:
    def handler(message: Message) -> Any:
        echo(message)
        return {"text": "returned"}

    desk = Desk([route(RECEIVE, handler)])
    assert payloads(await desk.effects(frames("x"))) == ["x"]


# ---- saying something by raising ----


@pytest.mark.parametrize("options", KINDS)
async def test_who_finishes_early_keeps_effects_and_session(options: dict[str, Any]) -> None:
    @channel_session
    def handler(message: Message) -> None:
        message.channel_session["a"] = 1
        echo(message)
        raise ConsumerFinished

    desk = Desk([route(RECEIVE, handler)], **options)
    found = await desk.effects(frames("x"))
    assert (payloads(found), written(found)) == (["x"], [encode_session({"a": 1})])
    assert desk.count('messages_total{channel="websocket.receive",outcome="ok"') == 1
    await desk.dispatcher.drain()


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (DenyConnection(451), {"accept": False, "status": 451}),
        (DenyConnection(), {"accept": False, "status": 403}),
        (ValueError(), {"accept": False, "status": 500}),
        (ConsumerFinished(), {"accept": True}),
    ],
)
async def test_what_a_connect_handler_raises_is_the_verdict(
    error: Exception, verdict: dict[str, Any]
) -> None:
    async def handler(message: Message) -> None:
        raise error

    desk = Desk([route(CONNECT, handler)])
    assert payloads(await desk.effects(connect())) == [verdict]


async def test_a_session_too_large_is_a_dead_letter_also_when_a_handler_finishes_early() -> None:
    @channel_session
    def handler(message: Message) -> None:
        message.channel_session["a"] = "x" * 100
        if message["text"] == "early":
            raise ConsumerFinished

    desk = Desk([route(RECEIVE, handler)], session_max_bytes=50)
    for text in ("early", "late"):
        found = await desk.effects(frames(text))
        assert "expected at most 50" in letters(found)[0].error
        assert written(found) == []


async def test_an_http_handler_that_raises_answers_500_and_an_unrouted_path_404() -> None:
    def handler(message: Message) -> None:
        message.reply_channel.send({"status": 200, "content": "half"})
        raise ValueError

    desk = Desk([route(REQUEST, handler, path="^/here")])
    failed, missing = await desk.handle(request("/here"), request("/there", connection="c2"))
    assert [answer["status"] for answer in payloads(failed)] == [500]
    assert [answer["status"] for answer in payloads(missing)] == [404]


# ---- trying again ----


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_failing_handler_is_tried_again_and_only_the_last_try_counts(
    asynchronous: bool, options: dict[str, Any]
) -> None:
    tries: list[str] = []

    def handler(message: Message) -> None:
        tries.append(threading.current_thread().name)
        message.reply_channel.send({"text": f"{message['text']} {len(tries)}"})
        if len(tries) < 3:
            raise ValueError

    async def handler_async(message: Message) -> None:
        handler(message)

    routes = [route(RECEIVE, handler_async if asynchronous else handler, on_error=Retry(3, 0.001))]
    desk = Desk(routes, **options)
    found = await desk.effects(frames("try"))
    assert (payloads(found), letters(found)) == (["try 3"], [])
    assert desk.count('messages_total{channel="websocket.receive",outcome="retry"') == 2
    if options and not asynchronous:
        assert all(name.startswith("handler") for name in tries)
    await desk.dispatcher.drain()


async def test_after_its_last_try_a_message_is_a_dead_letter() -> None:
    def handler(message: Message) -> None:
        raise ValueError

    desk = Desk([route(RECEIVE, handler, on_error=Retry(2, 0))])
    assert [letter.reason for letter in letters(await desk.effects(frames("x")))] == ["error"]
    assert desk.count('messages_total{channel="websocket.receive",outcome="retry"') == 2


async def test_the_events_before_a_retried_one_are_not_handled_twice() -> None:
    seen: list[str] = []

    def handler(message: Message) -> None:
        seen.append(message["text"])
        echo(message)
        if seen.count("b") == 1:
            raise ValueError

    desk = Desk([route(RECEIVE, handler, on_error=Retry(1, 0))])
    assert payloads(await desk.effects(frames("a", "b", "c"))) == ["a", "b", "c"]
    assert seen == ["a", "b", "b", "c"]


async def test_a_route_that_closes_on_errors_sends_1011() -> None:
    def handler(message: Message) -> None:
        raise ValueError

    desk = Desk([route(RECEIVE, handler, on_error="close")])
    assert payloads(await desk.effects(frames("x"))) == [{"close": 1011}]


# ---- the time limit ----


async def test_an_async_handler_over_its_limit_is_cancelled_and_the_next_message_goes_on() -> None:
    cancelled = asyncio.Event()

    async def handler(message: Message) -> None:
        if message["text"] == "slow":
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
        echo(message)

    desk = Desk([route(RECEIVE, handler)], handler_timeout_s=0.02)
    slow, quick = frames("slow", "next"), frames("quick", connection="c2")
    late, other = await desk.handle(slow, quick)
    assert cancelled.is_set()
    assert [letter.reason for letter in letters(late)] == ["timeout"]
    assert (payloads(late), payloads(other)) == (["next"], ["quick"])
    assert desk.count('dead_letters_total{reason="timeout"}') == 1


async def test_a_timeout_of_the_handlers_own_is_an_error_like_any_other() -> None:
    async def handler(message: Message) -> None:
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()

    desk = Desk([route(RECEIVE, handler)])
    assert [letter.reason for letter in letters(await desk.effects(frames("x")))] == ["error"]


async def test_a_handler_that_ends_well_although_it_was_late_has_ended_well() -> None:
    async def handler(message: Message) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            echo(message)

    desk = Desk([route(RECEIVE, handler)], handler_timeout_s=0.01)
    assert payloads(await desk.effects(frames("in time"))) == ["in time"]


# ---- contexts ----

USERS: contextvars.ContextVar[str] = contextvars.ContextVar("users", default="clean")


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_what_a_handler_sets_in_its_context_no_other_one_sees(
    asynchronous: bool, options: dict[str, Any]
) -> None:
    def handler(message: Message) -> None:
        message.reply_channel.send({"text": USERS.get()})
        USERS.set("dirty")

    async def handler_async(message: Message) -> None:
        handler(message)

    desk = Desk([route(RECEIVE, handler_async if asynchronous else handler)], **options)
    first, second = await desk.handle(frames("1"), frames("2", connection="c2"))
    third = await desk.effects(frames("3", connection="c3"))
    assert payloads(first) + payloads(second) + payloads(third) == ["clean"] * 3
    await desk.dispatcher.drain()


# ---- unrouted, logged ----


async def test_a_background_message_that_no_route_takes_is_kept_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk([route("work", echo, kind="^a$")])
    found = await desk.effects(background("work", {"kind": "b"}))
    assert [letter.reason for letter in letters(found)] == ["unrouted"]
    assert desk.count('dead_letters_total{reason="unrouted"}') == 1
    assert "no route takes a message" in caplog.text


@pytest.mark.parametrize("options", KINDS)
async def test_each_message_has_a_log_line_if_that_is_wanted(
    caplog: pytest.LogCaptureFixture, options: dict[str, Any]
) -> None:
    caplog.set_level("INFO")
    desk = Desk([route(RECEIVE, echo)], log_messages=True, **options)
    await desk.effects(frames("a", connection="c8"))
    (line,) = (record.getMessage() for record in caplog.records if "handled" in record.msg)
    assert "channel=websocket.receive route=" in line
    assert "connection=c8 event=0 outcome=ok ms=" in line
    await desk.dispatcher.drain()


async def test_a_thread_is_seen_at_work_and_not_longer() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def handler(message: Message) -> None:
        begun.set()
        go_on.wait(10)

    desk = Desk([route(RECEIVE, handler)], threads=1)
    given = frames("x")
    desk.give(given)
    await until(begun.is_set)
    (began_s,) = desk.dispatcher.runner.threads_began_s.values()
    assert began_s <= time.perf_counter()
    assert desk.dispatcher.at_work
    go_on.set()
    await desk.handled(given)
    assert desk.dispatcher.runner.threads_began_s == {}
    await desk.dispatcher.drain()


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("error", [ValueError(), StopIteration(), SystemExit(1)])
async def test_a_def_handler_that_raises_beside_async_ones_fails_alone(
    error: BaseException, options: dict[str, Any]
) -> None:
    def failing(message: Message) -> None:
        raise error

    desk = Desk([route(RECEIVE, echo_async, text="^a"), route(RECEIVE, failing)], **options)
    found = await desk.effects(frames("a1", "bad", "a2"))
    assert payloads(found) == ["a1", "a2"]
    assert [letter.reason for letter in letters(found)] == ["error"]
    await desk.dispatcher.drain()


async def test_a_task_that_is_cancelled_from_outside_leaves_no_trace_of_its_handler() -> None:
    begun = asyncio.Event()

    async def handler(message: Message) -> None:
        message.reply_channel.send({"text": "half"})
        begun.set()
        await asyncio.Event().wait()

    desk = Desk([route(RECEIVE, handler)])
    desk.give(frames("x"))
    await begun.wait()
    await desk.dispatcher.cut_off()
    assert desk.outcomes == {}
    assert desk.count("messages_total{") == 0


# ---- more than Redis takes ----


@pytest.mark.parametrize("options", [{}, {"threads": 1}])
@pytest.mark.parametrize("finished", [False, True])
async def test_a_handler_that_sends_more_than_one_call_takes_has_failed(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], finished: bool
) -> None:
    monkeypatch.setattr(effect_log, "MAX_EFFECTS", 10)

    def handler(message: Message) -> None:
        for number in range(int(message["text"])):
            Group(f"room-{number}").send({"text": "hello"})
        if finished:
            raise ConsumerFinished

    desk = Desk([route(RECEIVE, handler)], **options)
    (letter,) = letters(await desk.effects(frames("11")))
    assert letter.error.startswith("MessageError: 11 messages and group changes at once: expected at most 10")
    assert letters(await desk.effects(frames("10", connection="c2"))) == []


async def test_so_has_one_that_asks_for_so_much_to_be_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effect_log, "MAX_EFFECTS", 1)

    async def handler(message: Message) -> None:
        for _ in range(2):
            message.reply_channel.send({"text": "x"})
        await message.flush()

    def at_once(message: Message) -> None:
        for _ in range(2):
            message.reply_channel.send({"text": "x"}, immediately=True)

    for each in (handler, at_once):
        desk = Desk([route(RECEIVE, each)])
        (letter,) = letters(await desk.effects(frames("x")))
        assert letter.error.startswith("MessageError: 2 messages")
