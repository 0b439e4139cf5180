"""The committer."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.fake_worker_layer import FakeWorkerLayer, frames
from tests.support.waiting import until
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.messages import Outcome
from trunkline.worker.committer import COMMIT_ENTRIES, UNCOMMITTED_LIMIT, Committer
from trunkline.worker.metrics import WorkerMetrics


class Kept:
    """A committer, its layer, and how often it said that a commit is answered."""

    def __init__(self) -> None:
        self.layer = FakeWorkerLayer()
        self.layer.answers = False
        self.metrics = WorkerMetrics(lambda: 0, lambda: [True])
        self.answers = 0
        self.committer = Committer(self.layer, self.metrics, self._answered)

    def _answered(self) -> None:
        self.answers += 1

    def add(self, count: int) -> None:
        for _ in range(count):
            self.committer.add(Outcome(frames("x"), []))


@pytest.fixture
async def kept() -> Kept:
    return Kept()


def test_nothing_gathered_is_no_commit(kept: Kept) -> None:
    kept.committer.flush()
    assert kept.layer.commits == []
    assert kept.committer.unanswered == 0


def test_what_is_gathered_goes_out_together_and_is_counted(kept: Kept) -> None:
    kept.add(3)
    assert kept.committer.gathered == 3
    assert kept.committer.unanswered == 0
    kept.committer.flush()
    assert [len(commit) for commit in kept.layer.commits] == [3]
    assert kept.committer.gathered == 0
    assert kept.committer.unanswered == 3
    kept.layer.answer()
    assert kept.committer.unanswered == 0
    assert kept.answers == 1
    assert kept.metrics.commit_entries.sum == 3


def test_a_commit_is_never_larger_than_lua_can_take(kept: Kept) -> None:
    kept.add(COMMIT_ENTRIES * 2 + 1)
    kept.committer.flush()
    assert [len(commit) for commit in kept.layer.commits] == [COMMIT_ENTRIES, COMMIT_ENTRIES, 1]


def test_it_is_full_when_too_much_is_unanswered(kept: Kept) -> None:
    kept.add(UNCOMMITTED_LIMIT)
    kept.committer.flush()
    assert not kept.committer.full
    kept.add(1)
    kept.committer.flush()
    assert kept.committer.full
    kept.layer.answer()
    assert not kept.committer.full


def test_what_another_worker_had_committed_is_counted(kept: Kept) -> None:
    kept.layer.commit = lambda outcomes, done: done(len(outcomes) - 1)  # type: ignore[method-assign]
    kept.add(3)
    kept.committer.flush()
    assert kept.metrics.effects_dropped.value == 1


async def test_what_is_gathered_can_be_rescued_while_the_event_loop_is_held(kept: Kept) -> None:
    kept.add(3)

    taken = await asyncio.to_thread(kept.committer.rescue)

    assert taken == 3
    assert [len(commit) for commit in kept.layer.commits] == [3]
    await until(lambda: kept.answers == 1)
    assert (kept.committer.gathered, kept.committer.unanswered) == (0, 0)
    assert kept.metrics.commit_entries.sum == 3


async def test_a_rescue_counts_as_unanswered_until_the_event_loop_hears_of_it(kept: Kept) -> None:
    kept.add(2)

    kept.committer.rescue()

    assert (kept.committer.gathered, kept.committer.unanswered) == (0, 2)
    await until(lambda: not kept.committer.unanswered)


async def test_what_cannot_be_rescued_is_gathered_again(kept: Kept) -> None:
    kept.add(2)
    kept.layer.refuses_back = LayerUnavailable("away")

    with pytest.raises(LayerUnavailable):
        await asyncio.to_thread(kept.committer.rescue)

    assert (kept.committer.gathered, kept.committer.unanswered) == (2, 0)


async def test_nothing_gathered_is_nothing_to_rescue(kept: Kept) -> None:
    assert kept.committer.rescue() == 0
    assert (kept.layer.commits, kept.committer.unanswered) == ([], 0)
