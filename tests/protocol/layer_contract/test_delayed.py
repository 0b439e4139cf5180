"""What waits for its time: sends with a delay, messages set aside to be tried again, entries handed back to rest."""

from __future__ import annotations

import asyncio

from tests.protocol.layer_contract.effects import JOBS, nothing_more
from tests.protocol.layer_harness import Cluster, body
from trunkline.protocol import codec
from trunkline.protocol.messages import ChannelSend, DeadLetterRecord, Effect, Entry, Outcome, SetAside

FOREVER_MS = 3_600_000


def tried(text: str, tries: int) -> bytes:
    """A message that has failed before."""
    return codec.encode_entry(Entry(JOBS, None, None, 0, [{"text": text}], f"id of {text}", tries))


def letter(text: str) -> bytes:
    """What shall be kept if there is no room for a message."""
    return codec.encode_dead_letter(
        DeadLetterRecord("", "delayed_full", JOBS, body(text), "route", "E: no", "", 2, "w1", b"", 1.5)
    )


def aside(text: str, delay_ms: int, tries: int = 1) -> SetAside:
    """A message set aside."""
    return SetAside(JOBS, tried(text, tries), delay_ms, letter(text))


async def delayed(cluster: Cluster) -> int:
    """How many messages wait for their time."""
    return (await cluster.operator.stats()).delayed


async def test_a_delayed_send_becomes_due(cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    binary = b"\x01 a b\n\x00c "

    await worker.apply(
        ChannelSend(JOBS, binary, 400), ChannelSend(JOBS, body("sooner"), 100), ChannelSend(JOBS, body("now"))
    )

    assert [delivery.body for delivery in await worker.take(3)] == [body("now"), body("sooner"), binary]
    assert loop.time() - start_s >= 0.39


async def test_what_is_due_together_comes_in_the_order_it_was_sent(cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)
    bodies = [body(str(number)) for number in range(12)]

    await worker.apply(*(ChannelSend(JOBS, each, 30) for each in bodies))

    assert [delivery.body for delivery in await worker.take(12)] == bodies


async def test_a_message_set_aside_comes_back_once_with_its_count_of_tries(cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)
    await worker.apply(ChannelSend(JOBS, body("first")))
    first = await worker.take_one()
    loop = asyncio.get_running_loop()
    start_s = loop.time()

    assert await worker.finish(first, aside("first", 200, tries=3)) == 1
    assert await delayed(cluster) == 1
    again = await worker.take_one()

    assert loop.time() - start_s >= 0.19
    assert codec.decode_entry(JOBS, again.body).tries == 3
    assert (again.attempt, await delayed(cluster)) == (1, 0)
    assert (await cluster.operator.stats()).delayed_ever == 1
    await worker.finish(again)
    await nothing_more(cluster, JOBS)


async def test_a_message_is_set_aside_only_if_the_acknowledgement_counts(cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)
    await worker.apply(ChannelSend(JOBS, body("first")))
    first = await worker.take_one()
    outcome = Outcome(first, [aside("first", FOREVER_MS)])

    assert [await worker.commit(outcome), await worker.commit(outcome)] == [1, 0]

    assert await delayed(cluster) == 1


async def test_a_message_without_a_pause_is_back_at_once(cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)
    await worker.apply(aside("now", 0))
    assert (await worker.take_one()).body == tried("now", 1)


async def test_without_room_to_set_a_message_aside_its_dead_letter_is_kept(cluster_of_two: Cluster) -> None:
    worker = await cluster_of_two.worker(JOBS)
    late: list[Effect] = [aside(str(number), FOREVER_MS) for number in range(3)]
    at_once: list[Effect] = [aside(str(number), 0) for number in range(3, 6)]

    await worker.apply(*late, *at_once)

    letters = await cluster_of_two.operator.dead_letters()
    assert [(each.reason, each.body, each.error) for each in letters] == [
        ("delayed_full", body("2"), "E: no"),
        ("delayed_full", body("5"), "E: no"),
    ]
    assert await delayed(cluster_of_two) == 2


async def test_without_room_a_delayed_send_becomes_a_dead_letter(cluster_of_two: Cluster) -> None:
    worker = await cluster_of_two.worker(JOBS)

    await worker.apply(*(ChannelSend(JOBS, body(str(number)), FOREVER_MS) for number in range(3)))

    (kept,) = await cluster_of_two.operator.dead_letters()
    assert (kept.reason, kept.channel, kept.body) == ("channel_full", JOBS, body("2"))


async def test_what_waits_survives_every_worker(cluster: Cluster) -> None:
    first = await cluster.worker(JOBS)
    await first.apply(aside("tried", 150), ChannelSend(JOBS, body("sent"), 160))
    await first.layer.close()

    second = await cluster.worker(JOBS)

    assert [each.body for each in await second.take(2)] == [tried("tried", 1), body("sent")]


async def test_an_entry_handed_back_to_rest_is_nobodys_before_its_time(cluster: Cluster) -> None:
    interface, first = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("0"), body("1"))
    resting, other = await first.take(2)
    loop = asyncio.get_running_loop()
    start_s = loop.time()

    await asyncio.to_thread(first.layer.give_back, [resting], 400)
    await first.finish(other)
    await first.layer.close()

    second = await cluster.worker(JOBS)
    stats = await cluster.operator.stats()
    assert [each.pending for each in stats.channels if each.channel == JOBS] == [1]
    again = await second.take_one()
    assert loop.time() - start_s >= 0.39
    assert (again.body, again.attempt) == (body("0"), 1)
    assert await second.finish(again) == 1
    await nothing_more(cluster, JOBS)


async def test_what_a_worker_does_not_hold_it_cannot_let_rest(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("0"))
    done = await worker.take_one()
    await worker.finish(done)

    await asyncio.to_thread(worker.layer.give_back, [done], 1)

    interface.publish(JOBS, body("1"))
    assert (await worker.take_one()).body == body("1")
    await nothing_more(cluster, JOBS, pending=1)
