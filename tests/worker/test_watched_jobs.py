"""Entries with marks in a worker: stamps for the waterfall, and a trace that goes on with what handlers send."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.support.fake_worker_layer import Desk, delivery, disconnect, frames
from trunkline.protocol.codec import (
    GROUP_SEND,
    MARK,
    RELEASE,
    SEND,
    decode_dead_letter,
    decode_entry,
    decode_mailbox,
    encode_mailbox,
    mark_entry,
)
from trunkline.protocol.errors import DenyConnection
from trunkline.protocol.marks import Marks, Stamps, TraceContext, marks_of
from trunkline.protocol.messages import (
    ChannelSend,
    DeadLetter,
    Delivery,
    Effect,
    Entry,
    GroupSend,
    Post,
    SetAside,
)
from trunkline.protocol.names import ChannelName
from trunkline.worker import Channel, Group, Message, Retry, route

RECEIVE = "websocket.receive"
TRACE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
ON = {"waterfall_per_s": 1.0}


def marked(taken: Delivery, marks: Marks) -> Delivery:
    return taken._replace(body=mark_entry(taken.body, marks))


def operations(effects: list[Effect]) -> list[list[Any]]:
    """What stands in mailboxes in the end."""
    chunks = [effect.chunk for effect in effects if isinstance(effect, (Post, GroupSend))]
    return decode_mailbox(encode_mailbox(chunks))


def stamps_of(effects: list[Effect]) -> Stamps:
    (mark,) = [operation for operation in operations(effects) if operation[0] == MARK]
    found = Stamps.of(mark[3]["stamps"])
    assert found is not None
    return found


def echo(message: Message) -> None:
    message.reply_channel.send({"text": message["text"]})


async def echo_async(message: Message) -> None:
    echo(message)


@pytest.mark.parametrize("threads", [0, 1])
@pytest.mark.parametrize("handler", [echo, echo_async])
async def test_a_timed_entry_is_answered_with_stamps_before_its_release(threads: int, handler: Any) -> None:
    desk = Desk([route(RECEIVE, handler)], threads=threads, **ON)
    effects = await desk.effects(marked(frames("hi", connection="c1", seq=7), Marks(waterfall=True)))
    mark, release = operations(effects)

    assert mark[:3] == [MARK, "c1", 7]
    assert release == [RELEASE, "c1", 7, ["hi"]]
    stamps = stamps_of(effects)
    assert (stamps.worker, stamps.route, stamps.attempt, stamps.outcome) == (
        "w1", f"{__name__}.{handler.__name__}", 1, "ok"
    )  # fmt: skip
    assert stamps.queued_us == 1000
    assert 0 <= stamps.handling_us <= stamps.handled_us <= stamps.sent_us
    await desk.dispatcher.drain()


async def test_an_entry_without_marks_is_answered_as_ever() -> None:
    desk = Desk([route(RECEIVE, echo)], **ON)
    assert operations(await desk.effects(frames("hi"))) == [[RELEASE, "c1", 1, ["hi"]]]


async def test_a_worker_that_watches_nothing_takes_marked_entries_as_any_other() -> None:
    desk = Desk([route(RECEIVE, echo)])
    effects = await desk.effects(marked(frames("hi"), Marks(TRACE, True)))
    assert operations(effects) == [[RELEASE, "c1", 1, ["hi"]]]


def refusing(message: Message) -> None:
    raise DenyConnection


def failing(message: Message) -> None:
    raise ValueError("as asked")


@pytest.mark.parametrize(
    ("routes", "taken", "outcome"),
    [
        ([route(RECEIVE, failing)], frames("x"), "error"),
        ([route(RECEIVE, echo, path="^/elsewhere$")], frames("x"), "unrouted"),
        ([route("websocket.disconnect", lambda message: None)], disconnect(), "ok"),
    ],
)
async def test_stamps_say_what_came_of_it(routes: list[Any], taken: Delivery, outcome: str) -> None:
    desk = Desk(routes, **ON)
    assert stamps_of(await desk.effects(marked(taken, Marks(waterfall=True)))).outcome == outcome


async def test_a_handler_that_succeeds_when_it_is_tried_again_is_ok() -> None:
    calls: list[int] = []

    def second(message: Message) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("not yet")

    desk = Desk([route(RECEIVE, second, on_error=Retry(1, 0))], **ON)
    assert stamps_of(await desk.effects(marked(frames("x"), Marks(waterfall=True)))).outcome == "ok"


async def test_what_a_handler_sends_goes_on_with_the_trace() -> None:
    def sending(message: Message) -> None:
        Group("g").send({"text": "a"})
        Channel("work").send({"n": 1}, delay_s=5)
        Channel("reply.i2!c2").send({"text": "b"})
        message.reply_channel.send({"text": "c"})

    desk = Desk([route(RECEIVE, sending)], **ON)
    effects = await desk.effects(marked(frames("x"), Marks(TRACE)))
    told = operations(effects)

    assert [operation[0] for operation in told] == [MARK, GROUP_SEND, MARK, SEND, MARK, RELEASE]
    assert [operation[1] for operation in told if operation[0] == MARK] == ["g", "c2", "c1"]
    assert all(Marks.of(operation[3]) == Marks(TRACE) for operation in told if operation[0] == MARK)
    (sent,) = [effect for effect in effects if isinstance(effect, ChannelSend)]
    assert marks_of(decode_entry(sent.channel, sent.body)) == Marks(TRACE)


async def test_a_message_that_only_has_its_way_timed_gives_no_trace_on() -> None:
    def sending(message: Message) -> None:
        Group("g").send({"text": "a"})
        Channel("work").send({"n": 1})

    desk = Desk([route(RECEIVE, sending)], **ON)
    effects = await desk.effects(marked(frames("x"), Marks(waterfall=True)))
    assert [operation[0] for operation in operations(effects)] == [GROUP_SEND, MARK, RELEASE]
    (sent,) = [effect for effect in effects if isinstance(effect, ChannelSend)]
    assert marks_of(decode_entry(sent.channel, sent.body)) is None


async def test_a_message_that_is_set_aside_or_dead_keeps_its_trace() -> None:
    def asking(message: Message) -> None:
        raise Retry(times=1)

    desk = Desk([route("work", asking), route(RECEIVE, failing)], **ON)
    work = delivery(Entry(ChannelName("work"), None, None, 0, [{"n": 1}], "w1-1"))
    (aside,) = [one for one in await desk.effects(marked(work, Marks(TRACE))) if isinstance(one, SetAside)]
    assert marks_of(decode_entry(aside.channel, aside.body)) == Marks(TRACE)
    letters = [
        one for one in await desk.effects(marked(frames("x"), Marks(TRACE))) if isinstance(one, DeadLetter)
    ]
    letter = decode_dead_letter("1-0", letters[0].body)
    assert marks_of(decode_entry(letter.channel, letter.body)) == Marks(TRACE)


async def test_an_entry_that_slips_through_every_check_is_condemned_and_its_worker_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from trunkline.worker import watched_job

    def broken(*_: object) -> bytes:
        raise TypeError("nobody foresaw")

    desk = Desk([route(RECEIVE, echo)], **ON)
    monkeypatch.setattr(watched_job, "encode_mark", broken)
    with caplog.at_level(logging.CRITICAL):
        effects = await desk.effects(marked(frames("x"), Marks(waterfall=True)))
    assert any(isinstance(effect, DeadLetter) for effect in effects)
    monkeypatch.undo()
    assert stamps_of(await desk.effects(marked(frames("y"), Marks(waterfall=True)))).outcome == "ok"
