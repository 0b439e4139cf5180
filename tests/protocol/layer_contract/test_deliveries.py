"""From an interface server to a worker and back; how much fits; what is handed on."""

from __future__ import annotations

from tests.protocol.layer_contract.effects import (
    GARBAGE,
    JOBS,
    OTHER,
)
from tests.protocol.layer_harness import Cluster, body
from tests.support.waiting import until
from trunkline.protocol import codec
from trunkline.protocol.layer import Publication
from trunkline.protocol.messages import (
    ChannelSend,
    Outcome,
    Post,
)
from trunkline.protocol.names import (
    CONNECT,
    RECEIVE,
    ConnectionId,
)

# ---- from an interface server to a worker and back ----


async def test_an_event_reaches_a_worker_and_its_answer_the_mailbox(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(CONNECT, RECEIVE)
    interface.publish(RECEIVE, body("hello"))

    delivery = await worker.take_one()
    assert (delivery.channel, delivery.body, delivery.attempt) == (RECEIVE, body("hello"), 1)
    assert delivery.queued_ms >= 0
    release = codec.encode_release(ConnectionId("c"), 1, ["echo", b"bytes", {"close": True}])
    assert await worker.finish(delivery, Post(interface.id, release)) == 1

    await until(lambda: interface.mail)
    ((operations, token),) = interface.mail
    assert operations == [[codec.RELEASE, "c", 1, ["echo", b"bytes", {"close": True}]]]
    assert token


async def test_batch_numbers_rise_from_one(cluster: Cluster) -> None:
    first, second = await cluster.interface(), await cluster.interface()

    assert [first.publish(JOBS, body("a"), body("b")), first.publish(JOBS, body("c"))] == [1, 2]
    assert second.publish(JOBS, body("d")) == 1


async def test_entries_of_a_channel_come_in_the_order_of_publishing(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    bodies = [body(str(number)) for number in range(30)]
    for start in range(0, 30, 10):
        interface.publish(JOBS, *bodies[start : start + 10])

    assert [delivery.body for delivery in await worker.take(30)] == bodies


async def test_entries_published_before_any_worker_came_are_not_lost(cluster: Cluster) -> None:
    interface = await cluster.interface()
    interface.publish(JOBS, body("early"))

    worker = await cluster.worker(JOBS)

    assert (await worker.take_one()).body == body("early")


async def test_a_worker_gets_only_the_channels_it_reads(cluster: Cluster) -> None:
    interface = await cluster.interface()
    jobs, other = await cluster.worker(JOBS), await cluster.worker(OTHER)
    interface.publish(JOBS, body("for jobs"))
    interface.publish(OTHER, body("for other"))

    assert (await other.take_one()).body == body("for other")
    assert (await jobs.take_one()).body == body("for jobs")


async def test_each_entry_goes_to_one_of_several_workers(cluster: Cluster) -> None:
    interface = await cluster.interface()
    workers = [await cluster.worker(JOBS) for _ in range(3)]
    bodies = [body(str(number)) for number in range(30)]
    interface.publish(JOBS, *bodies)

    deliveries = [d for _ in range(10) for worker in workers for d in await worker.take(1)]

    assert sorted(delivery.body for delivery in deliveries) == sorted(bodies)


async def test_a_worker_that_stopped_reading_leaves_entries_to_others(cluster: Cluster) -> None:
    interface = await cluster.interface()
    stopped, reading = await cluster.worker(JOBS), await cluster.worker(JOBS)
    stopped.layer.read(10)
    stopped.layer.stop_reading()
    await stopped.sessions("any")  # The layer has answered something that was asked later.

    interface.publish(JOBS, body("a"))

    assert (await reading.take_one()).body == body("a")
    assert stopped.inbox == []


async def test_a_read_may_be_taken_back_and_asked_again(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    worker.layer.stop_reading()
    worker.layer.read(1)
    worker.layer.stop_reading()
    interface.publish(JOBS, body("a"))

    assert (await worker.take_one()).body == body("a")


async def test_nothing_is_reported_from_inside_the_call(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    reported: list[str] = []
    interface.publish(JOBS, body("a"))
    delivery = await worker.take_one()

    worker.layer.sessions([ConnectionId("c")], lambda values: reported.append("sessions"))
    worker.layer.apply([interface.post("c", "sent")], lambda: reported.append("apply"))
    worker.layer.commit([Outcome(delivery, [])], lambda count: reported.append("commit"))
    assert (reported, interface.mail) == ([], [])

    await until(lambda: len(reported) == 3)
    assert reported == ["sessions", "apply", "commit"]
    await interface.receive()


async def test_bodies_that_do_not_decode_pass_as_they_are(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS, OTHER)
    interface.publish(JOBS, *GARBAGE)
    deliveries = await worker.take(len(GARBAGE))
    assert [delivery.body for delivery in deliveries] == GARBAGE

    sends = [ChannelSend(OTHER, garbage) for garbage in GARBAGE]
    assert await worker.commit(*[Outcome(d, [s]) for d, s in zip(deliveries, sends, strict=True)]) == len(
        GARBAGE
    )

    assert [delivery.body for delivery in await worker.take(len(GARBAGE))] == GARBAGE


# ---- capacity ----


async def test_a_full_channel_refuses_what_need_not_go_in(cluster_of_two: Cluster) -> None:
    interface, worker = await cluster_of_two.interface(), await cluster_of_two.worker(JOBS, OTHER)
    owner = object()
    publications = [
        Publication(JOBS, body("1"), None),
        Publication(JOBS, body("2"), None),
        Publication(JOBS, body("3"), owner),
        Publication(JOBS, body("must"), None, must=True),
        Publication(OTHER, body("elsewhere"), None),
        Publication(JOBS, body("5"), None),
    ]

    interface.layer.publish(publications)

    assert interface.was_refused == []
    await until(lambda: interface.was_refused)
    assert interface.was_refused == [publications[2], publications[5]]
    assert interface.was_refused[0].owner is owner
    taken = {delivery.body for delivery in await worker.take(4)}
    assert taken == {body("1"), body("2"), body("must"), body("elsewhere")}


async def test_a_full_channel_takes_entries_again_when_some_are_committed(cluster_of_two: Cluster) -> None:
    interface, worker = await cluster_of_two.interface(), await cluster_of_two.worker(JOBS)
    interface.publish(JOBS, body("1"), body("2"))
    first, second = await worker.take(2)
    interface.publish(JOBS, body("3"))
    await until(lambda: interface.was_refused)  # Delivered entries count until they are committed.
    await worker.finish(first)

    interface.publish(JOBS, body("4"))

    assert (await worker.take_one()).body == body("4")
    assert await worker.finish(second) == 1
    assert len(interface.was_refused) == 1


# ---- handing entries on ----


async def test_an_entry_given_back_goes_to_another_worker_as_if_it_had_never_been_taken(
    cluster: Cluster,
) -> None:
    interface, first = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, *(body(str(number)) for number in range(3)))
    kept, *given = await first.take(3)
    first.space = 0

    await first.give_back(*given)

    second = await cluster.worker(JOBS)
    taken = await second.take(2)
    assert [(d.body, d.attempt) for d in taken] == [(body("1"), 1), (body("2"), 1)]
    assert await first.finish(kept) == 1
    assert await second.commit(*(Outcome(delivery, []) for delivery in taken)) == 2


async def test_giving_back_what_is_committed_brings_nothing_back(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("a"))
    delivery = await worker.take_one()
    await worker.finish(delivery)

    await worker.give_back(delivery)

    interface.publish(JOBS, body("b"))
    assert (await worker.take_one()).body == body("b")
    assert worker.inbox == []


async def test_entries_of_a_worker_that_ends_go_to_others_as_a_further_attempt(cluster: Cluster) -> None:
    interface, first = await cluster.interface(), await cluster.worker(JOBS)
    second = await cluster.worker(JOBS)
    interface.publish(JOBS, *(body(str(number)) for number in range(3)))
    done, *_ = await first.take(3)
    await first.finish(done)

    await first.layer.close()

    taken = await second.take(2, within_s=15)
    assert [(d.body, d.attempt, d.died) for d in taken] == [
        (body("1"), 2, (first.id,)),
        (body("2"), 2, (first.id,)),
    ]
    assert await second.commit(*(Outcome(delivery, []) for delivery in taken)) == 2


async def test_an_entry_names_all_who_died_with_it(cluster: Cluster) -> None:
    interface, first = await cluster.interface(), await cluster.worker(JOBS)
    second, third = await cluster.worker(JOBS), await cluster.worker(JOBS)
    interface.publish(JOBS, body("killer"))
    assert (await first.take_one()).died == ()
    third.space = 0

    await first.layer.close()
    assert (await second.take_one(within_s=15)).died == (first.id,)
    third.space = 100
    await second.layer.close()

    delivery = await third.take_one(within_s=15)
    assert (delivery.attempt, delivery.died) == (3, (first.id, second.id))
