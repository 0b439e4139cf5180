"""Deliveries that were lost without a broken connection, and reads that go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty, NotingWorker
from tests.support.waiting import until
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.messages import Outcome
from trunkline.protocol.names import RECEIVE, ChannelName
from trunkline.protocol.redis_layer import reading as module
from trunkline.protocol.redis_layer.reading import Reading


def reading_of(worker: NotingWorker) -> Reading:
    return worker.redis_layer._reading


def lose(faulty: Faulty, worker: NotingWorker) -> None:
    """Delivers one entry to a worker in an answer that never arrives."""
    stream = faulty.keys.stream(RECEIVE)
    assert faulty.client.xreadgroup(faulty.keys.consumer_group, worker.id, {stream: ">"}, count=1)


@pytest.mark.parametrize("reads", [True, False])
async def test_a_lost_delivery_is_found_on_a_connection_that_stands(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    monkeypatch.setattr(module, "SEARCH_S", 0.2)
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    connection = reading_of(worker).reader_id
    interface.publish(RECEIVE, body("lost"), body("next"))
    await until(lambda: len(faulty.bodies(RECEIVE)) == 2)
    lose(faulty, worker)

    if reads:
        lost, following = sorted(await worker.take(2), key=lambda one: one.id)
        assert following.body == body("next")
    else:
        await until(lambda: worker.inbox)
        (lost,) = worker.inbox

    assert (lost.body, lost.attempt) == (body("lost"), 1)
    assert reading_of(worker).reader_id == connection


async def test_what_a_worker_holds_is_not_taken_for_lost(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"))
    delivery = await worker.take_one()
    monkeypatch.setattr(module, "SEARCH_S", 0.0)
    searched: list[str] = []
    find = reading_of(worker)._find_lost

    async def noted(reading: Reading) -> None:
        await find()
        searched.append("")

    monkeypatch.setattr(Reading, "_find_lost", noted)
    await until(lambda: len(searched) >= 3)

    assert worker.inbox == []
    assert await worker.commit(Outcome(delivery, [])) == 1


@pytest.mark.parametrize("fault", [LayerUnavailable("no answer"), ZeroDivisionError("unexpected")])
async def test_a_search_that_fails_does_not_end_the_reading(
    faulty: Faulty,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Exception,
) -> None:
    caplog.set_level("INFO")
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)

    async def failing(reading: Reading) -> None:
        reading._searched_s = float("inf")
        raise fault

    monkeypatch.setattr(Reading, "_find_lost", failing)
    reading_of(worker)._searched_s = 0.0
    interface.publish(RECEIVE, body("0"))

    assert (await worker.take_one()).body == body("0")
    assert str(fault) in caplog.text


async def test_a_search_that_nobody_answers_gives_its_connection_up(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    connection = reading_of(worker).reader_id
    find = Reading._find_lost

    async def silent(reading: Reading) -> None:
        monkeypatch.setattr(Reading, "_find_lost", find)
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "GIVE_UP_S", 0.05)
    monkeypatch.setattr(Reading, "_find_lost", silent)
    reading_of(worker)._searched_s = 0.0
    interface.publish(RECEIVE, body("0"))

    assert (await worker.take_one()).body == body("0")
    assert reading_of(worker).reader_id != connection


async def test_an_entry_that_was_deleted_meanwhile_is_not_taken_up(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("deleted"), body("lost"))
    await until(lambda: len(faulty.bodies(RECEIVE)) == 2)
    lose(faulty, worker)
    lose(faulty, worker)
    stream = faulty.keys.stream(RECEIVE)
    entries: Any = faulty.client.xrange(stream)
    faulty.client.xdel(stream, entries[0][0])

    faulty.cut(["trunkline-reader"])

    assert (await worker.take_one()).body == body("lost")
    assert worker.inbox == []


async def test_a_worker_that_closes_ends_its_search(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEARCH_S", 0.0)
    worker = await faulty.worker(RECEIVE)
    worker.layer.read(1)
    await until(lambda: reading_of(worker)._search is not None)
    reading_of(worker).look()

    await worker.layer.close()

    search = reading_of(worker)._search
    assert search is not None
    await until(search.done)
    assert not reading_of(worker).link.up


async def test_a_channel_whose_key_holds_something_else_is_named(faulty: Faulty) -> None:
    bad = ChannelName("bad")
    faulty.client.set(faulty.keys.stream(bad), "of another type")

    with pytest.raises(LayerUnavailable, match=r"consumer group of bad.*WRONGTYPE"):
        await faulty.worker(RECEIVE, bad)


async def test_no_read_begins_before_its_connection_is_ready(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface, worker = await faulty.interface(), await faulty.worker(RECEIVE)
    reading = reading_of(worker)
    ask, begun = reading.link.ask, list[bool]()

    async def wants_meanwhile(command: Sequence[str | bytes | int]) -> object:
        if not reading.reader_id:
            reading.want(1)
            begun.append(reading.under_way)
        return await ask(command)

    monkeypatch.setattr(reading.link, "ask", wants_meanwhile)
    reading.link.reset("as the test wants it")
    interface.publish(RECEIVE, body("0"))

    await until(lambda: worker.inbox)
    assert begun and not any(begun)


async def test_no_read_begins_before_what_was_lost_is_taken_up(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface, worker = await faulty.interface(), await faulty.worker(RECEIVE)
    reading = reading_of(worker)
    interface.publish(RECEIVE, body("lost"))
    await until(lambda: faulty.bodies(RECEIVE))
    lose(faulty, worker)
    ask, begun = reading.link.ask, dict[str, bool]()

    async def wants_meanwhile(command: Sequence[str | bytes | int]) -> object:
        reading.want(1)
        begun[str(command[0])] = reading.under_way
        return await ask(command)

    monkeypatch.setattr(reading.link, "ask", wants_meanwhile)
    reading.link.reset("as the test wants it")

    await until(lambda: worker.inbox)
    assert "XRANGE" in begun and not any(begun.values())


async def test_two_reads_that_are_ended_are_no_single_call_that_waits_long(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = reading_of(await faulty.worker(RECEIVE))
    callbacks: list[object] = []
    monkeypatch.setattr(reading._calls, "call", lambda command, callback: callbacks.append(callback))
    reading.want(1)
    assert reading.under_way

    reading.end()
    reading.end()

    first, second = callbacks
    assert first is not second
