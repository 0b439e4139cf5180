"""Committed entries leave their stream, and no other entry does."""

from __future__ import annotations

import itertools

import pytest

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty
from tests.support.waiting import until
from trunkline.protocol.messages import Outcome
from trunkline.protocol.names import RECEIVE

BODIES = [body(str(number)) for number in range(3)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_whatever_the_order_of_commits_each_deletes_its_own_entry_only(
    faulty: Faulty, order: tuple[int, ...]
) -> None:
    interface = await faulty.interface()
    workers = [await faulty.worker(RECEIVE) for _ in range(3)]
    held = []
    for worker, one in zip(workers, BODIES, strict=True):
        interface.publish(RECEIVE, one)
        held.append(await worker.take_one())
    left = set(BODIES)

    for number in order:
        assert await workers[number].finish(held[number], interface.post("c", str(number))) == 1
        left.discard(BODIES[number])
        assert set(faulty.bodies(RECEIVE)) == left

    assert sorted(await interface.receive(3)) == ["0", "1", "2"]


async def test_a_commit_whose_entries_are_out_of_order_deletes_all_of_them(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, *BODIES)
    held = await worker.take(3)

    assert await worker.commit(*(Outcome(one, []) for one in (held[2], held[0], held[1]))) == 3

    assert faulty.bodies(RECEIVE) == []


async def test_what_nobody_has_read_yet_stays(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, *BODIES)
    await until(lambda: len(faulty.bodies(RECEIVE)) == 3)
    first = await worker.take_one()

    await worker.finish(first)

    assert set(faulty.bodies(RECEIVE)) == {one for one in BODIES if one != first.body}
    rest = await worker.take(2)
    assert {one.body for one in (first, *rest)} == set(BODIES)
