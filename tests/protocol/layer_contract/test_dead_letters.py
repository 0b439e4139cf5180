"""Dead letters, and the statistics that count them."""

from __future__ import annotations

import asyncio

import pytest

from tests.protocol.layer_contract.effects import (
    JOBS,
    dead,
    nothing_more,
)
from tests.protocol.layer_harness import Cluster, body
from trunkline.protocol import codec
from trunkline.protocol.errors import CodecError
from trunkline.protocol.messages import (
    DeadLetter,
    DeadLetterRecord,
    Entry,
)
from trunkline.protocol.names import (
    RECEIVE,
    ConnectionId,
    InterfaceId,
    reply_name,
)

# ---- dead letters ----


async def test_dead_letters_are_listed_oldest_first_and_page_by_page(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(JOBS), cluster.operator
    assert await operator.dead_letters() == []
    await worker.apply(*(dead(JOBS, body(str(number))) for number in range(5)))

    letters = await operator.dead_letters()

    assert [letter.body for letter in letters] == [body(str(number)) for number in range(5)]
    assert letters[0] == DeadLetterRecord(
        letters[0].id,
        "error",
        JOBS,
        body("0"),
        "route",
        "ValueError: no",
        "Traceback",
        1,
        "w1",
        b"session",
        1.5,
    )
    assert await operator.dead_letters(count=2) == letters[:2]
    assert await operator.dead_letters(after=letters[1].id, count=2) == letters[2:4]
    assert await operator.dead_letters(after=letters[4].id) == []
    assert (await operator.stats()).dead_letters == 5


async def test_a_dead_letter_is_shown_and_dropped(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(JOBS), cluster.operator
    await worker.apply(dead(JOBS, body("a")), dead(JOBS, body("b")))
    a, b = await operator.dead_letters()

    assert await operator.dead_letter(a.id) == a
    assert await operator.drop(a.id) is True

    assert await operator.drop(a.id) is False
    assert await operator.dead_letter(a.id) is None
    assert await operator.dead_letters() == [b]


async def test_a_redriven_dead_letter_is_handled_again(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(JOBS), cluster.operator
    await worker.apply(dead(JOBS, body("a")))
    (letter,) = await operator.dead_letters()

    assert await operator.redrive(letter.id) is True

    delivery = await worker.take_one()
    assert (delivery.channel, delivery.body, delivery.attempt) == (JOBS, body("a"), 1)
    assert await operator.dead_letters() == []
    assert await operator.redrive(letter.id) is False


async def test_of_two_people_who_redrive_a_dead_letter_one_succeeds(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(JOBS), cluster.operator
    await worker.apply(dead(JOBS, body("a")))
    (letter,) = await operator.dead_letters()

    results = await asyncio.gather(*(operator.redrive(letter.id) for _ in range(5)))

    assert sorted(results) == [False] * 4 + [True]
    await worker.finish(await worker.take_one())
    await nothing_more(cluster, JOBS)


async def test_a_redriven_event_of_a_connection_is_not_its_entry_in_flight(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(RECEIVE), cluster.operator
    entry = Entry(RECEIVE, reply_name(InterfaceId("i1"), ConnectionId("c")), "/chat", 7, ["text", b"bytes"])
    await worker.apply(dead(RECEIVE, codec.encode_entry(entry)))
    (letter,) = await operator.dead_letters()

    await operator.redrive(letter.id)

    assert codec.decode_entry(RECEIVE, (await worker.take_one()).body) == entry._replace(seq=-1)


async def test_a_dead_letter_of_garbage_is_kept_and_not_redriven(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(JOBS), cluster.operator
    await worker.apply(dead(JOBS, b"\xc1", "garbage"), DeadLetter(b"\xc1 no letter at all"))
    garbage, broken = await operator.dead_letters()
    assert (garbage.reason, garbage.body) == ("garbage", b"\xc1")
    assert (broken.reason, broken.body) == ("garbage", b"\xc1 no letter at all")

    for letter in (garbage, broken):
        with pytest.raises(CodecError):
            await operator.redrive(letter.id)

    assert await operator.dead_letters() == [garbage, broken]


@pytest.mark.parametrize("letter_id", ["9999999-0", "no id", "", "-", "+"])
async def test_a_dead_letter_that_is_not_there_is_told_so(cluster: Cluster, letter_id: str) -> None:
    worker = await cluster.worker(JOBS)
    await worker.apply(dead(JOBS, body("a")))

    assert await cluster.operator.dead_letter(letter_id) is None
    assert await cluster.operator.redrive(letter_id) is False
    assert await cluster.operator.drop(letter_id) is False
    assert len(await cluster.operator.dead_letters()) == 1


# ---- statistics ----


async def test_statistics_tell_who_is_there_and_what_waits(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("1"), body("2"), body("3"))
    await worker.take(2)

    stats = await cluster.operator.stats()

    (jobs,) = [channel for channel in stats.channels if channel.channel == JOBS]
    assert jobs.length == 3
    assert jobs.pending in (2, 3)
    assert 0 <= jobs.oldest_s < 60
    assert [info.id for info in stats.interfaces] == [interface.id]
    assert [info.detail for info in stats.workers] == [f"detail of {worker.id}"]
    assert stats.mailbox_lengths == {interface.id: 0}
    assert stats.dead_letters == 0


async def test_statistics_forget_a_worker_that_ended(cluster: Cluster) -> None:
    ended, stays = await cluster.worker(JOBS), await cluster.worker(JOBS)

    await ended.layer.close()

    assert [info.id for info in (await cluster.operator.stats()).workers] == [stays.id]
