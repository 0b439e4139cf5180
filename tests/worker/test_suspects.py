"""Each suspect is tried alone, but none waits for what may never end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from trunkline.protocol.codec import encode_entry
from trunkline.protocol.messages import Delivery, Entry
from trunkline.protocol.names import RECEIVE, ReplyName
from trunkline.worker import route
from trunkline.worker.job import Job
from trunkline.worker.routing import Routing
from trunkline.worker.suspects import Suspects

PATIENCE_S = 0.01
NEVER_S = 3600.0


def suspect(number: int) -> Job:
    entry = Entry(RECEIVE, ReplyName(f"reply.i1!c{number}"), "/", 1, ["hello"])
    delivery = Delivery(RECEIVE, f"{number}-0", encode_entry(entry), 2, 0.0)
    flusher: Any = None
    return Job.of(delivery, entry, Routing.load([route(RECEIVE, lambda message: None)]), flusher)


class Rig:
    """Suspects beside tasks that end when the test says so."""

    def __init__(self, patience_s: float) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self.looks = asyncio.Event()
        self.suspects = Suspects(self.tasks, self.looks.set, patience_s)
        self.jobs = [suspect(number) for number in range(2)]
        for job in self.jobs:
            self.suspects.add(job)

    def begin_task(self) -> asyncio.Task[Any]:
        task = asyncio.create_task(asyncio.Event().wait())
        self.tasks.add(task)
        return task

    async def end_task(self, task: asyncio.Task[Any]) -> None:
        task.cancel()
        await asyncio.wait([task])
        self.tasks.discard(task)

    async def end(self) -> None:
        self.suspects.clear()
        for task in list(self.tasks):
            await self.end_task(task)


async def test_a_suspect_that_is_alone_is_tried_at_once_and_the_next_behind_it() -> None:
    rig = Rig(NEVER_S)

    assert len(rig.suspects) == 2
    assert [rig.suspects.next(0), rig.suspects.next(0)] == rig.jobs
    assert len(rig.suspects) == 0


async def test_a_suspect_waits_until_everything_else_is_committed() -> None:
    rig = Rig(NEVER_S)

    assert rig.suspects.next(3) is None
    assert rig.suspects.next(1) is None
    assert rig.suspects.next(0) is rig.jobs[0]
    await rig.end()


async def test_a_suspect_waits_for_a_task_only_until_its_patience_is_over() -> None:
    rig = Rig(PATIENCE_S)
    rig.begin_task()

    assert rig.suspects.next(1) is None
    await asyncio.wait_for(rig.looks.wait(), 5)

    assert rig.suspects.next(1) is rig.jobs[0]
    await rig.end()


async def test_the_next_suspect_does_not_wait_for_that_task_again() -> None:
    rig = Rig(PATIENCE_S)
    rig.begin_task()
    rig.suspects.next(1)
    await asyncio.wait_for(rig.looks.wait(), 5)
    rig.suspects.next(1)

    assert rig.suspects.next(1) is rig.jobs[1]
    await rig.end()


async def test_a_suspect_waits_for_a_task_that_began_later() -> None:
    rig = Rig(PATIENCE_S)
    old = rig.begin_task()
    rig.suspects.next(1)
    await asyncio.wait_for(rig.looks.wait(), 5)
    rig.begin_task()

    assert rig.suspects.next(2) is None
    await rig.end_task(old)
    assert rig.suspects.next(1) is None, "the bystander has ended; what is at work is another task"
    await rig.end()


async def test_patience_does_not_excuse_what_is_not_committed_yet() -> None:
    rig = Rig(PATIENCE_S)

    rig.suspects.next(1)
    await asyncio.wait_for(rig.looks.wait(), 5)

    assert rig.suspects.next(1) is None
    await rig.end()


async def test_clearing_forgets_them_and_looks_no_more() -> None:
    rig = Rig(PATIENCE_S)
    rig.suspects.next(1)

    rig.suspects.clear()

    assert len(rig.suspects) == 0
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rig.looks.wait(), 3 * PATIENCE_S)
