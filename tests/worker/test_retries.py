"""What a route does about a handler that fails: who waits, what is dropped, what is counted."""

from __future__ import annotations

import asyncio
import logging
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
    written,
)
from tests.support.gate import echo
from tests.support.waiting import until
from trunkline.protocol.codec import decode_entry, decode_session, encode_session
from trunkline.protocol.messages import ChannelSend, Delivery, Effect, SetAside, Unregister
from trunkline.worker import Channel, Message, Retry, channel_session, retries, route
from trunkline.worker.runner import rate_limited

RECEIVE, CONNECT, DISCONNECT = "websocket.receive", "websocket.connect", "websocket.disconnect"
REQUEST = "http.request"
AT_ONCE = Retry(2, 0)
KINDS: list[dict[str, Any]] = [{}, {"threads": 2}]


class Unlucky:
    """A handler that fails for its first calls.

    Args:
        failures: how many.
        error: what it raises.
        answer: what it sends, whether it fails or not.
    """

    def __init__(self, failures: int, error: BaseException | None = None, answer: Any = None) -> None:
        self.calls = 0
        self.failures = failures
        self.error = error or ValueError("no luck")
        self.answer = answer

    def handler(self, message: Message) -> None:
        self.calls += 1
        if self.answer is not None:
            message.reply_channel.send(self.answer)
        if self.calls <= self.failures:
            raise self.error

    async def handler_async(self, message: Message) -> None:
        await asyncio.sleep(0)
        self.handler(message)


def set_aside(effects: list[Effect]) -> list[SetAside]:
    """What was set aside."""
    return [effect for effect in effects if isinstance(effect, SetAside)]


def delivered(effect: SetAside) -> Delivery:
    """What a layer delivers when it is due."""
    return Delivery(effect.channel, f"{id(effect)}-0", effect.body, 1, 1.0)


def retries_of(desk: Desk, outcome: str) -> float:
    """How often retries of any route went so."""
    lines = desk.dispatcher.metrics.exposition().decode().splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("trunkline_retries_total") and f'outcome="{outcome}"' in line
    )


# ---- each kind of message, in its turn ----


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_handler_that_asks_is_called_again_and_only_its_last_call_counts(
    asynchronous: bool, options: dict[str, Any]
) -> None:
    unlucky = Unlucky(2, Retry(after_s=0.001), {"text": "done"})
    handler = unlucky.handler_async if asynchronous else unlucky.handler
    desk = Desk([route(RECEIVE, handler)], **options)
    found = await desk.effects(frames("x"))
    assert (unlucky.calls, payloads(found), letters(found)) == (3, ["done"], [])
    assert [retries_of(desk, outcome) for outcome in ("waits", "succeeded", "gave_up")] == [2, 1, 0]
    await desk.dispatcher.drain()


async def test_a_suspect_is_tried_again_alone() -> None:
    unlucky = Unlucky(1, Retry(after_s=0))

    def handler(message: Message) -> None:
        if message["text"] == "suspect":
            unlucky.handler(message)

    desk = Desk([route(RECEIVE, handler)])
    suspect = frames("suspect", attempt=2)
    desk.layer.answers = False
    desk.give(suspect)
    await until(lambda: unlucky.calls == 1)
    desk.give(fresh := frames("fresh", connection="c2"))
    await until(lambda: desk.layer.commits and len(desk.dispatcher._suspects) == 1)
    assert unlucky.calls == 1  # while the other's commit has no answer
    desk.layer.answer()
    desk.layer.answers = True
    await desk.handled(suspect, fresh)
    assert unlucky.calls == 2


@pytest.mark.parametrize("options", KINDS)
async def test_a_handler_that_asks_too_often_leaves_a_dead_letter_that_says_so(
    options: dict[str, Any],
) -> None:
    unlucky = Unlucky(99, Retry(1, after_s=0))
    desk = Desk([route(RECEIVE, unlucky.handler)], **options)
    (letter,) = letters(await desk.effects(frames("x")))
    assert (letter.reason, letter.tries, unlucky.calls) == ("retries", 2, 2)
    assert letter.error == "Retry: the handler asked to be called again in 0 s"
    assert "failed 2 times: as often as Retry(times=1" in letter.traceback
    assert desk.count('dead_letters_total{reason="retries"}') == 1
    assert [retries_of(desk, outcome) for outcome in ("waits", "succeeded", "gave_up")] == [1, 0, 1]
    await desk.dispatcher.drain()


async def test_a_message_that_needed_no_retry_is_not_counted_as_one() -> None:
    desk = Desk([route(RECEIVE, Unlucky(0).handler, on_error=AT_ONCE)])
    await desk.effects(frames("x"))
    assert "trunkline_retries_total{" not in desk.dispatcher.metrics.exposition().decode()


async def test_a_handler_that_takes_too_long_is_called_again_and_then_its_message_is_a_dead_letter() -> None:
    calls = []

    async def hanging(message: Message) -> None:
        calls.append(message["text"])
        await asyncio.Event().wait()

    desk = Desk([route(RECEIVE, hanging, on_error=AT_ONCE)], handler_timeout_s=0.01)
    (letter,) = letters(await desk.effects(frames("x")))
    assert (letter.reason, letter.tries, len(calls)) == ("timeout", 3, 3)
    assert [retries_of(desk, outcome) for outcome in ("waits", "gave_up")] == [2, 1]


async def test_a_connect_that_is_retried_keeps_its_client_waiting_for_the_verdict() -> None:
    unlucky = Unlucky(1)
    desk = Desk([route(CONNECT, unlucky.handler, on_error=AT_ONCE)])
    assert payloads(await desk.effects(connect())) == [{"accept": True}]
    assert unlucky.calls == 2


async def test_a_connect_whose_tries_are_over_is_refused() -> None:
    desk = Desk([route(CONNECT, Unlucky(9).handler, on_error=AT_ONCE)])
    found = await desk.effects(connect())
    assert payloads(found) == [{"accept": False, "status": 500}]
    assert [letter.tries for letter in letters(found)] == [3]


async def test_a_request_that_is_retried_is_answered_once() -> None:
    answer = {"status": 200, "headers": [], "content": b"ok", "more_content": False}
    desk = Desk([route(REQUEST, Unlucky(2, answer=answer).handler, on_error=AT_ONCE)])
    assert [each["content"] for each in payloads(await desk.effects(request()))] == [b"ok"]


async def test_a_request_whose_tries_are_over_is_answered_500() -> None:
    desk = Desk([route(REQUEST, Unlucky(9).handler, on_error=AT_ONCE)])
    assert [each["status"] for each in payloads(await desk.effects(request()))] == [500]


async def test_a_disconnect_that_is_retried_ends_its_connection_once() -> None:
    desk = Desk([route(DISCONNECT, Unlucky(2).handler, on_error=AT_ONCE)])
    found = await desk.effects(disconnect())
    assert [type(effect) for effect in found].count(Unregister) == 1
    assert letters(found) == []


async def test_a_route_that_closes_does_so_when_the_tries_are_over() -> None:
    desk = Desk([route(RECEIVE, Unlucky(9, Retry(1, 0)).handler, on_error="close")])
    found = await desk.effects(frames("x"))
    assert payloads(found) == [{"close": 1011}]
    assert [letter.reason for letter in letters(found)] == ["retries"]


async def test_what_a_failed_call_did_to_the_session_is_dropped() -> None:
    @channel_session
    def count(message: Message) -> None:
        message.channel_session["calls"] = message.channel_session.get("calls", 0) + 1
        unlucky.handler(message)

    unlucky = Unlucky(2)
    desk = Desk([route(RECEIVE, count, on_error=AT_ONCE)])
    desk.layer.stored["c1"] = encode_session({"calls": 10})
    (raw,) = written(await desk.effects(frames("x")))
    assert decode_session(raw) == {"calls": 11}


async def test_while_a_message_waits_its_worker_goes_on_with_others() -> None:
    unlucky = Unlucky(1, Retry(after_s=3600))
    desk = Desk([route(RECEIVE, unlucky.handler, text="^bad"), route(RECEIVE, echo)])
    desk.give(frames("bad"))
    assert payloads(await desk.effects(frames("good", connection="c2"))) == ["good"]
    await desk.dispatcher.drain()


async def test_a_worker_takes_no_more_while_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "LIMIT", 2)
    unlucky = Unlucky(2, Retry(after_s=0.05))
    desk = Desk([route(RECEIVE, unlucky.handler)])
    given = [frames("x", connection=f"c{number}") for number in range(2)]
    desk.give(*given)
    await until(lambda: unlucky.calls == 2)
    assert not desk.layer.reading
    assert desk.dispatcher.room() == 0
    await desk.handled(*given)
    await until(lambda: desk.layer.reading)
    assert desk.dispatcher.room() > 0


async def test_a_call_that_fails_is_told_once_a_second_and_route(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limited, "_keys", {})
    caplog.set_level(logging.WARNING)
    desk = Desk([route(RECEIVE, Unlucky(99).handler, on_error=AT_ONCE)])
    await desk.handle(*(frames("x", connection=f"c{number}") for number in range(20)))
    told = [record.getMessage() for record in caplog.records if "tried again" in record.getMessage()]
    assert len(told) == 1
    assert "outcome=retry failed=1" in told[0] and "error=ValueError('no luck')" in told[0]


# ---- set aside ----


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_without_order_what_fails_is_set_aside_and_the_rest_of_its_entry_goes_on(
    asynchronous: bool, options: dict[str, Any]
) -> None:
    def picky(message: Message) -> None:
        echo(message)
        if message["text"] == "bad":
            raise ValueError("bad frame")

    async def picky_async(message: Message) -> None:
        picky(message)

    handler = picky_async if asynchronous else picky
    desk = Desk([route(RECEIVE, handler, on_error=Retry(2, 4, jitter=0), ordered=False)], **options)
    found = await desk.effects(frames("one", "bad", "three"))
    assert payloads(found) == ["one", "three"]
    assert letters(found) == []
    (aside,) = set_aside(found)
    entry = decode_entry(aside.channel, aside.body)
    assert (entry.events, entry.tries, entry.id, aside.delay_ms) == (["bad"], 1, "c1:2", 4000)
    assert desk.count('messages_total{channel="websocket.receive",outcome="set_aside"') == 1
    assert retries_of(desk, "set_aside") == 1
    await desk.dispatcher.drain()


async def test_what_was_set_aside_succeeds_late_under_its_own_name() -> None:
    seen: list[tuple[str, int]] = []

    def handler(message: Message) -> None:
        seen.append((message.id, message["order"]))
        message.reply_channel.send({"text": f"call {len(seen)}"})
        if len(seen) < 3:
            raise Retry(after_s=1)

    desk = Desk([route(RECEIVE, handler, ordered=False)])
    found = await desk.effects(frames("x", seq=7))
    while set_aside(found):
        found = await desk.effects(delivered(set_aside(found)[0]))
    assert payloads(found) == ["call 3"]
    assert seen == [("c1:7", 7), ("c1:7", -1), ("c1:7", -1)]
    assert [retries_of(desk, outcome) for outcome in ("set_aside", "succeeded")] == [2, 1]


async def test_what_was_set_aside_too_often_is_a_dead_letter() -> None:
    desk = Desk([route(RECEIVE, Unlucky(99).handler, on_error=Retry(2, 0), ordered=False)])
    found = await desk.effects(frames("x"))
    for _ in range(2):
        (aside,) = set_aside(found)
        found = await desk.effects(delivered(aside))
    assert set_aside(found) == []
    (letter,) = letters(found)
    assert (letter.reason, letter.tries) == ("error", 3)
    assert "failed 3 times" in letter.traceback


async def test_a_timeout_sets_aside_too() -> None:
    async def hanging(message: Message) -> None:
        await asyncio.Event().wait()

    desk = Desk(
        [route(RECEIVE, hanging, on_error=Retry(1, 60), ordered=False)],
        handler_timeout_s=0.01,
    )
    assert len(set_aside(await desk.effects(frames("x")))) == 1


async def test_a_background_message_is_set_aside_and_its_sends_are_dropped() -> None:
    def handler(message: Message) -> None:
        Channel("next").send({"n": 1})
        raise Retry(after_s=9)

    desk = Desk([route("work", handler)])
    given = background("work", {"n": 1})
    found = await desk.effects(given)
    assert [effect for effect in found if isinstance(effect, ChannelSend)] == []
    (aside,) = set_aside(found)
    entry = decode_entry(aside.channel, aside.body)
    assert (entry.events, entry.id, entry.tries) == ([{"n": 1}], given.id, 1)
    assert aside.delay_ms == 9000


async def test_the_session_of_a_call_that_is_set_aside_is_as_it_was_for_the_events_behind_it() -> None:
    @channel_session
    def note(message: Message) -> None:
        message.channel_session[message["text"]] = True
        if message["text"] == "bad":
            raise ValueError

    desk = Desk([route(RECEIVE, note, on_error=Retry(1, 60), ordered=False)])
    found = await desk.effects(frames("a", "bad", "c"))
    (raw,) = written(found)
    assert decode_session(raw) == {"a": True, "c": True}


async def test_a_drain_waits_for_nothing_that_was_set_aside() -> None:
    desk = Desk([route(RECEIVE, Unlucky(9).handler, on_error=Retry(1, 3600, 3600), ordered=False)])
    await desk.effects(frames("x"))
    await desk.dispatcher.drain()
    assert desk.layer.returned == []
