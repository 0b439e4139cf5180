"""Dead letters, and the statistics that count them."""

from __future__ import annotations

import asyncio

import pytest

from tests.protocol.layer_contract.effects import (
    JOBS,
    dead,
    nothing_more,
    register,
    session_write,
)
from tests.protocol.layer_harness import Cluster, Worker, body
from trunkline.protocol import codec
from trunkline.protocol.errors import CodecError
from trunkline.protocol.messages import (
    DeadLetter,
    DeadLetterRecord,
    Entry,
)
from trunkline.protocol.names import (
    DISCONNECT,
    RECEIVE,
    ConnectionId,
    InterfaceId,
    ReplyName,
    reply_name,
)
from trunkline.protocol.redriving import Redriven

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

    assert await operator.redrive(letter.id) == Redriven("put_back")

    delivery = await worker.take_one()
    assert (delivery.channel, delivery.attempt) == (JOBS, 1)
    entry = codec.decode_entry(JOBS, body("a"))
    assert codec.decode_entry(JOBS, delivery.body) == entry._replace(seq=-2)
    assert await operator.dead_letters() == []
    assert await operator.redrive(letter.id) == Redriven("missing")


async def test_of_two_people_who_redrive_a_dead_letter_one_succeeds(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(JOBS), cluster.operator
    await worker.apply(dead(JOBS, body("a")))
    (letter,) = await operator.dead_letters()

    results = await asyncio.gather(*(operator.redrive(letter.id) for _ in range(5)))

    assert sorted(result.outcome for result in results) == ["missing"] * 4 + ["put_back"]
    await worker.finish(await worker.take_one())
    await nothing_more(cluster, JOBS)


def event_of(connection: str, seq: int, text: str = "text", interface: str = "i1") -> Entry:
    reply = reply_name(InterfaceId(interface), ConnectionId(connection))
    return Entry(RECEIVE, reply, "/chat", seq, [text])


async def letters_of(cluster: Cluster, worker: Worker, *entries: Entry) -> list[str]:
    """Ids of a dead letter for each of these entries."""
    await worker.apply(*(dead(entry.channel, codec.encode_entry(entry)) for entry in entries))
    return [letter.id for letter in await cluster.operator.dead_letters()][-len(entries) :]


async def test_a_redriven_event_of_a_connection_keeps_its_name_and_is_not_its_entry_in_flight(
    cluster: Cluster,
) -> None:
    worker, operator = await cluster.worker(RECEIVE), cluster.operator
    entry = event_of("c", 7)
    (letter,) = await letters_of(cluster, worker, entry)

    await operator.redrive(letter)

    delivery = await worker.take_one()
    once = entry._replace(seq=-2, id="c:7")
    assert codec.decode_entry(RECEIVE, delivery.body) == once
    # It fails again and is put back once more.
    await worker.finish(delivery, dead(RECEIVE, codec.encode_entry(once)))
    (letter,) = [letter.id for letter in await operator.dead_letters()]
    await operator.redrive(letter)
    again = codec.decode_entry(RECEIVE, (await worker.take_one()).body)
    assert again == entry._replace(seq=-3, id="c:7")


async def test_letters_of_one_connection_go_back_only_one_after_another(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(RECEIVE, DISCONNECT), cluster.operator
    gone = Entry(DISCONNECT, event_of("c", 0).reply, "/chat", 9, [{"code": 1000, "reason": ""}])
    first, second, third, other = await letters_of(
        cluster, worker, event_of("c", 3), event_of("c", 5), gone, event_of("d", 1)
    )

    assert (await operator.redrive(first)).outcome == "put_back"
    assert (await operator.redrive(second)).outcome == "busy"
    delivery = await worker.take_one()
    assert (await operator.redrive(second)).outcome == "busy", "it is taken, and not handled"
    assert (await operator.redrive(third)).outcome == "busy", "another channel is the same connection"
    assert (await operator.redrive(other)).outcome == "put_back"
    await worker.finish(delivery)
    assert (await operator.redrive(second)).outcome == "put_back"

    assert [letter.id for letter in await operator.dead_letters()] == [third]


async def test_a_letter_whose_channel_is_full_stays(cluster_of_two: Cluster) -> None:
    worker, operator = await cluster_of_two.worker(JOBS), cluster_of_two.operator
    await worker.apply(*(dead(JOBS, body(text)) for text in "abc"))
    a, b, c = [letter.id for letter in await operator.dead_letters()]
    await operator.redrive(a)
    await operator.redrive(b)

    assert await operator.redrive(c) == Redriven("full")

    assert [letter.id for letter in await operator.dead_letters()] == [c]
    await worker.finish(await worker.take_one())
    assert await operator.redrive(c) == Redriven("put_back")


async def test_a_redriven_event_whose_connection_is_gone_finds_the_session_it_had(cluster: Cluster) -> None:
    interface, worker, operator = await cluster.interface(), await cluster.worker(RECEIVE), cluster.operator
    await worker.apply(register(interface.id, "lives"))
    lives, left, later = await letters_of(
        cluster,
        worker,
        event_of("lives", 1, interface=interface.id),
        event_of("left", 1, interface=interface.id),
        event_of("left", 2, interface=interface.id),
    )

    assert await operator.redrive(lives) == Redriven("put_back", gone=False)
    assert await operator.redrive(left) == Redriven("put_back", gone=True)
    assert await worker.sessions("lives", "left") == [b"", b"session"]

    for delivery in await worker.take(2):
        await worker.finish(delivery, session_write(interface.id, "left", b"newer"))
    await operator.redrive(later)
    assert await worker.sessions("left") == [b"newer"], "what the letter before it left is not undone"


async def test_a_dead_letter_of_garbage_is_kept_and_not_redriven(cluster: Cluster) -> None:
    worker, operator = await cluster.worker(JOBS), cluster.operator
    await worker.apply(dead(JOBS, b"\xc1", "garbage"), DeadLetter(b"\xc1 no letter at all"))
    garbage, broken = await operator.dead_letters()
    assert (garbage.reason, garbage.body) == ("garbage", b"\xc1")
    assert (broken.reason, broken.body) == ("unreadable", b"\xc1 no letter at all")
    nobody = Entry(RECEIVE, ReplyName("no reply channel"), "/", 1, ["text"])
    await letters_of(cluster, worker, nobody)

    letters = await operator.dead_letters()
    for letter in letters:
        with pytest.raises(CodecError):
            await operator.redrive(letter.id)

    assert await operator.dead_letters() == letters


@pytest.mark.parametrize("letter_id", ["9999999-0", "no id", "", "-", "+"])
async def test_a_dead_letter_that_is_not_there_is_told_so(cluster: Cluster, letter_id: str) -> None:
    worker = await cluster.worker(JOBS)
    await worker.apply(dead(JOBS, body("a")))

    assert await cluster.operator.dead_letter(letter_id) is None
    assert await cluster.operator.redrive(letter_id) == Redriven("missing")
    assert await cluster.operator.drop(letter_id) is False
    assert len(await cluster.operator.dead_letters()) == 1


async def test_letters_that_made_room_for_newer_ones_are_counted_and_those_taken_out_are_not(
    cluster_of_two_letters: Cluster,
) -> None:
    worker, operator = await cluster_of_two_letters.worker(JOBS), cluster_of_two_letters.operator
    await worker.apply(*(dead(JOBS, body(str(number))) for number in range(300)))
    kept = (await operator.stats()).dead_letters
    assert 2 <= kept < 300, "Redis trims by whole nodes of about a hundred"
    assert (await operator.stats()).dead_trimmed == 300 - kept

    dropped, redriven, *_ = await operator.dead_letters()
    await operator.drop(dropped.id)
    await operator.redrive(redriven.id)

    stats = await operator.stats()
    assert (stats.dead_letters, stats.dead_trimmed) == (kept - 2, 300 - kept)


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
