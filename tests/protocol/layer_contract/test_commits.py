"""The acknowledgement decides whether effects are applied, and some wait for none."""

from __future__ import annotations

import asyncio

import pytest

from tests.protocol.layer_contract.effects import (
    JOBS,
    OTHER,
    ROOM,
    group_send,
    session_write,
)
from tests.protocol.layer_harness import Cluster, body
from tests.support.waiting import until
from trunkline.protocol import codec
from trunkline.protocol.messages import (
    ChannelSend,
    Outcome,
    Post,
    Register,
    Unregister,
)
from trunkline.protocol.names import (
    ConnectionId,
    InterfaceId,
)

# ---- the acknowledgement decides ----


async def test_effects_are_applied_in_their_order(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS, OTHER)
    interface.publish(JOBS, body("a"))

    await worker.finish(
        await worker.take_one(),
        interface.post("c", "1"),
        session_write(interface.id, "c", b"old"),
        ChannelSend(OTHER, body("x")),
        interface.post("d", "2"),
        session_write(interface.id, "c", b"new"),
        ChannelSend(OTHER, body("y")),
        interface.post("c", "3"),
    )

    assert await interface.receive(3) == ["1", "2", "3"]
    assert await worker.sessions("c") == [b"new"]
    assert [delivery.body for delivery in await worker.take(2)] == [body("x"), body("y")]


async def test_effects_of_one_commit_on_one_mailbox_come_in_one_piece(cluster: Cluster) -> None:
    one, two, worker = await cluster.interface(), await cluster.interface(), await cluster.worker(JOBS)
    one.publish(JOBS, body("a"), body("b"))
    a, b = await worker.take(2)

    first = Outcome(a, [one.post("c", "a1"), two.post("c", "a2"), one.add(ROOM, "c")])
    assert await worker.commit(first, Outcome(b, [one.post("c", "b1"), group_send("b2")])) == 2

    assert await one.receive(3) == ["a1", "b1", "b2"]
    assert await two.receive(1) == ["a2"]
    assert (len(one.mail), len(two.mail)) == (1, 1)


async def test_a_second_commit_counts_nothing_and_changes_nothing(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("a"), body("b"))
    a, b = await worker.take(2)
    once = Outcome(a, [interface.post("c", "once"), session_write(interface.id, "c", b"once")])
    assert await worker.commit(once) == 1

    again = Outcome(a, [interface.post("c", "twice"), session_write(interface.id, "c", b"twice")])
    assert await worker.commit(again) == 0
    assert await worker.commit(again, Outcome(b, [interface.post("c", "other")]), again) == 1

    assert await interface.receive(2) == ["once", "other"]
    assert await worker.sessions("c") == [b"once"]


async def test_of_entries_that_do_nothing_but_answer_only_the_answers_of_those_that_count_are_posted(
    cluster: Cluster,
) -> None:
    one, two, worker = await cluster.interface(), await cluster.interface(), await cluster.worker(JOBS, OTHER)
    one.publish(JOBS, *[body(str(number)) for number in range(6)])
    one.publish(OTHER, body("6"), body("7"))
    deliveries = sorted(await worker.take(8), key=lambda delivery: delivery.body)
    homes = [one, two, one, one, two, one, two, one]
    outcomes = [
        Outcome(delivery, [home.post("c", f"{number} é" * (number + 1))])
        for number, (delivery, home) in enumerate(zip(deliveries, homes, strict=True))
    ]
    assert await worker.commit(outcomes[0], outcomes[4]) == 2

    assert await worker.commit(*outcomes) == 6

    assert await one.receive(5) == [f"{number} é" * (number + 1) for number in (0, 2, 3, 5, 7)]
    assert await two.receive(3) == [f"{number} é" * (number + 1) for number in (4, 1, 6)]


async def test_answers_alone_and_with_other_effects_keep_their_order(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, *[body(str(number)) for number in range(5)])
    posts = [[interface.post("c", str(number))] for number in range(5)]
    posts[2].append(interface.post("c", "and"))

    outcomes = [Outcome(one, [*some]) for one, some in zip(await worker.take(5), posts, strict=True)]
    assert await worker.commit(*outcomes) == 5

    assert await interface.receive(6) == ["0", "1", "2", "and", "3", "4"]


async def test_a_commit_from_another_thread_counts_as_any(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("a"))
    outcome = Outcome(await worker.take_one(), [interface.post("c", "once")])
    counted: list[int] = []

    await asyncio.to_thread(worker.layer.commit_now, [outcome], counted.append)

    await until(lambda: counted == [1])
    assert await interface.receive() == ["once"]
    assert await worker.commit(outcome) == 0


@pytest.mark.parametrize("quicker", ["who had it", "who has it"])
async def test_of_two_workers_with_one_entry_only_the_quicker_ones_effects_count(
    cluster: Cluster, quicker: str
) -> None:
    interface, had = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("a"), body("marker"))
    mine, marker = await had.take(2)
    had.space = 0
    has = await cluster.worker(JOBS)
    await had.give_back(mine)
    its = await has.take_one()
    assert its.body == mine.body

    order = [(had, mine), (has, its)] if quicker == "who had it" else [(has, its), (had, mine)]
    counts = [await worker.finish(d, interface.post("c", worker.id)) for worker, d in order]

    assert counts == [1, 0]
    await had.finish(marker, interface.post("c", "marker"))
    assert await interface.receive(2) == [order[0][0].id, "marker"]


async def test_a_commit_of_nothing_counts_nothing(cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)

    assert await worker.commit() == 0


async def test_what_is_sent_to_a_gone_interface_is_dropped(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    gone = InterfaceId("i0")
    interface.publish(JOBS, body("a"))
    chunk = codec.encode_group_add(ROOM, ConnectionId("c"))

    counted = await worker.finish(
        await worker.take_one(),
        Post(gone, codec.encode_send(ConnectionId("c"), -1, "lost")),
        interface.add(ROOM, "c")._replace(interface=gone, chunk=chunk),
        Register(gone, ConnectionId("c"), b"lost"),
        Unregister(gone, ConnectionId("d")),
        group_send("nobody is there"),
        interface.post("c", "kept"),
    )

    assert counted == 1
    assert await interface.receive() == ["kept"]


# ---- effects that wait for no acknowledgement ----


async def test_effects_within_a_delivery_are_applied_only_while_it_is_held(cluster: Cluster) -> None:
    interface, first = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("a"), body("b"))
    a, b = await first.take(2)
    first.space = 0

    await first.apply(interface.post("c", "held"), within=a)
    await first.finish(a)
    await first.apply(interface.post("c", "committed"), within=a)
    await first.give_back(b)
    second = await cluster.worker(JOBS)
    taken = await second.take_one()
    await first.apply(interface.post("c", "taken over"), within=b)
    await second.apply(interface.post("c", "held by the other"), within=taken)

    assert await interface.receive(2) == ["held", "held by the other"]
