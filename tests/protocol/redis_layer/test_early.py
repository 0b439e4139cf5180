"""Early sends of a worker that lost its entry to another: all effects of an entry are one worker's."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import Any

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty, NotingInterface, NotingWorker
from tests.support.waiting import until
from trunkline.protocol.messages import Delivery, Outcome
from trunkline.protocol.names import RECEIVE, ChannelName
from trunkline.protocol.redis_layer.early import EarlySends
from trunkline.protocol.redis_layer.scripts import SCRIPTS

ONE = Delivery(ChannelName("jobs"), "1-0", b"", 1, 0.0)
OTHER = Delivery(ChannelName("jobs"), "2-0", b"", 1, 0.0)


async def taken_over(
    faulty: Faulty,
) -> tuple[NotingInterface, NotingWorker, NotingWorker, Delivery, Delivery]:
    """An entry in two workers' hands: of one that was silent for too long, and of the one that took over."""
    interface = await faulty.interface()
    slow = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"))
    delivery = await slow.take_one()
    heir = await faulty.worker(RECEIVE)
    slow.redis_layer._lease.stop()
    heir.space = 1
    return interface, slow, heir, delivery, await heir.take_one(10)


async def test_a_worker_whose_early_sends_were_dropped_does_not_win_the_acknowledgement(
    faulty: Faulty,
) -> None:
    interface, slow, heir, delivery, taken = await taken_over(faulty)
    dropped: list[int] = []

    slow.layer.apply([interface.post("c", "early of the slow")], lambda: dropped.append(1), delivery)
    assert await slow.finish(delivery, interface.post("c", "end of the slow")) == 0
    assert dropped == [1]

    await heir.apply(interface.post("c", "early"), within=taken)
    assert await heir.finish(taken, interface.post("c", "end")) == 1
    assert await interface.receive(2) == ["early", "end"]


async def test_an_early_send_that_was_dropped_and_is_sent_again_stays_dropped(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("taken over"), body("held"))
    taken_over, held = await worker.take(2)
    faulty.client.xclaim(faulty.keys.stream(RECEIVE), faulty.keys.consumer_group, "heir", 0, [taken_over.id])

    def apply(number: int, within: Delivery) -> Any:
        effects = (faulty.keys.base, 9, 9, 9, 9, within.id, faulty.keys.consumer_group, worker.id, number, 0)
        return faulty.client.eval(SCRIPTS["apply"].text, 1, faulty.keys.stream(RECEIVE), *effects)

    # As after a reset: what has no answer is sent again, in order, also what was sent before something that counted.
    assert [apply(1, taken_over), apply(2, held)] == [[0], [1]]
    assert [apply(1, taken_over), apply(2, held)] == [[0], [1]]


async def test_nor_does_it_from_the_thread_that_commits_while_the_loop_is_held_up(faulty: Faulty) -> None:
    interface, slow, heir, delivery, taken = await taken_over(faulty)
    await slow.apply(interface.post("c", "early of the slow"), within=delivery)
    counts: list[int] = []

    outcome = Outcome(delivery, [interface.post("c", "end of the slow")])
    await asyncio.to_thread(slow.layer.commit_now, [outcome], counts.append)

    await until(lambda: counts == [0])
    assert await heir.finish(taken, interface.post("c", "end")) == 1
    assert await interface.receive() == ["end"]


async def test_what_is_committed_beside_early_sends_is_not_held_up(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"), body("1"), body("2"))
    first, second, third = await worker.take(3)
    counts: list[int] = []
    worker.layer.apply([interface.post("c", "early")], lambda: None, first)
    worker.layer.commit([Outcome(third, [])], counts.append)

    outcomes = [Outcome(first, [interface.post("c", "1")]), Outcome(second, [interface.post("c", "2")])]
    # In a thread that is waited for: on the event loop the early send would be answered meanwhile.
    thread = Thread(target=worker.layer.commit_now, args=(outcomes, counts.append))
    thread.start()
    thread.join()

    await until(lambda: sorted(counts) == [1, 2])
    assert sorted(await interface.receive(3)) == ["1", "2", "early"]
    assert not worker.redis_layer._early


async def test_an_entry_that_was_given_back_begins_anew(faulty: Faulty) -> None:
    interface, slow, heir, delivery, taken = await taken_over(faulty)
    await slow.apply(interface.post("c", "dropped"), within=delivery)
    await slow.give_back(delivery)
    await heir.give_back(taken)

    assert not slow.redis_layer._early


def test_an_outcome_waits_for_all_that_was_sent_within_its_delivery() -> None:
    early, told = EarlySends(), list[str]()
    assert not early
    early.begin(ONE)
    early.begin(ONE)
    outcomes = [Outcome(ONE, []), Outcome(OTHER, [])]
    assert early.part(outcomes) == ([outcomes[1]], [outcomes[0]], [])
    early.then(ONE, lambda: told.append("answered"))

    early.end(ONE, applied=False)
    assert told == []
    early.end(ONE, applied=True)
    assert told == ["answered"]

    assert early.part(outcomes) == ([outcomes[1]], [], [outcomes[0]])
    early.forget([ONE, OTHER])
    assert not early
