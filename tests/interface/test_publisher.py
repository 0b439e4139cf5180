"""The way out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from trunkline.interface.publisher import MAX_BACKOFF_S, MAX_BATCH, MAX_BATCH_BYTES, MIN_BACKOFF_S, Publisher
from trunkline.protocol.layer import Publication
from trunkline.protocol.names import CONNECT, RECEIVE


class Owner:
    """Whose publication it is."""

    def __init__(self, keeps: bool = True) -> None:
        self.publication: Publication | None = None
        self.batch = 0
        self.keeps = keeps

    def refused(self) -> bool:
        return self.keeps


class Timer:
    """A timer that the test fires."""

    def __init__(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.delay_s = delay_s
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """As much of an event loop as a publisher needs, with a clock of its own."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []
        self.timers: list[Timer] = []
        self.now_s = 0.0

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(delay_s, callback))
        return self.timers[-1]

    def time(self) -> float:
        return self.now_s

    def tick(self) -> None:
        soon, self.soon = self.soon, []
        for callback in soon:
            callback()


class Layer:
    """Remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[Publication]] = []
        self.during: Callable[[], None] = lambda: None

    def publish(self, publications: list[Publication]) -> int:
        self.batches.append(publications)
        self.during()
        return len(self.batches)


class Case:
    """A publisher over a loop and a layer of the test's."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.layer = Layer()
        layer: Any = self.layer
        loop: Any = self.loop
        self.publisher = Publisher(layer, loop, jitter=lambda: 1.0)

    def add(self, owner: Owner, body: bytes = b"") -> Publication:
        publication = Publication(RECEIVE, body, owner)
        self.publisher.add(publication)
        return publication


@pytest.fixture
def case() -> Case:
    return Case()


def test_what_is_added_in_one_tick_leaves_in_one_call(case: Case) -> None:
    owners = [Owner() for _ in range(3)]
    for owner in owners:
        case.add(owner)
    assert case.layer.batches == []

    case.loop.tick()

    assert [len(batch) for batch in case.layer.batches] == [3]
    assert [owner.batch for owner in owners] == [1, 1, 1]
    case.loop.tick()
    assert len(case.layer.batches) == 1


def quick(case: Case) -> Publisher:
    """A publisher to which so much came lately that what comes next gathers."""
    layer: Any = case.layer
    loop: Any = case.loop
    publisher = case.publisher = Publisher(layer, loop, 0.001, clock=loop.time)
    while not case.loop.timers:
        case.loop.now_s += 0.0001
        case.add(Owner())
        case.loop.tick()
    return publisher


def test_what_comes_quickly_gathers_for_a_moment_and_leaves_in_one_call(case: Case) -> None:
    quick(case)
    before = len(case.layer.batches)
    (timer,) = case.loop.timers
    assert timer.delay_s == 0.001

    case.add(Owner())
    case.loop.tick()
    assert len(case.layer.batches) == before
    timer.callback()

    assert [len(batch) for batch in case.layer.batches[before:]] == [2]


def test_what_gathers_leaves_with_the_one_that_is_due_last_and_what_its_tick_brings_besides(
    case: Case,
) -> None:
    quick(case)
    before = len(case.layer.batches)
    (timer,) = case.loop.timers
    while not case.loop.soon:
        case.add(Owner())
    case.add(Owner())
    assert timer.cancelled

    case.loop.tick()

    (batch,) = case.layer.batches[before:]
    assert len(batch) == 4  # the least that pays is three, and one of the same tick
    assert case.loop.timers == [timer]
    assert not case.loop.soon


def test_what_gathers_leaves_at_once_when_it_is_told_to(case: Case) -> None:
    publisher = quick(case)
    before = len(case.layer.batches)

    publisher.flush()

    assert [len(batch) for batch in case.layer.batches[before:]] == [1]
    assert case.loop.timers[0].cancelled


def test_what_gathers_is_dropped_with_the_end(case: Case) -> None:
    publisher = quick(case)
    before = len(case.layer.batches)

    publisher.close()

    assert case.loop.timers[0].cancelled
    assert len(case.layer.batches) == before


def test_a_call_holds_a_bounded_number(case: Case) -> None:
    for _ in range(MAX_BATCH * 2 + 1):
        case.add(Owner())

    case.loop.tick()

    assert [len(batch) for batch in case.layer.batches] == [MAX_BATCH, MAX_BATCH, 1]


def test_a_call_holds_a_bounded_number_of_bytes(case: Case) -> None:
    owners = [Owner() for _ in range(5)]
    third = b"x" * (MAX_BATCH_BYTES // 3)
    for owner, body in zip(owners, [third, third, third, b"x" * (MAX_BATCH_BYTES + 1), b"x"], strict=True):
        case.add(owner, body)

    case.loop.tick()

    assert [len(batch) for batch in case.layer.batches] == [3, 1, 1]
    assert [owner.batch for owner in owners] == [1, 1, 1, 2, 3]


@pytest.mark.parametrize("others", [0, 1])
def test_an_owner_that_is_one_further_already_keeps_its_own_batch_number(case: Case, others: int) -> None:
    owner = Owner()
    case.add(owner)
    for _ in range(others):
        case.add(Owner())
    case.layer.during = lambda: released_and_next() if len(case.layer.batches) == 1 else None

    def released_and_next() -> None:
        case.add(owner)

    case.publisher.flush()

    assert owner.batch == 0


def test_what_was_refused_leaves_again_after_a_back_off_that_doubles_to_a_limit(case: Case) -> None:
    owner = Owner()
    publication = case.add(owner)
    case.loop.tick()
    delays = []
    for _ in range(8):
        case.publisher.refused([publication])
        assert case.publisher.retrying == [publication]
        delays.append(case.loop.timers[-1].delay_s)
        case.loop.timers[-1].callback()
        case.loop.tick()

    assert delays[:3] == [MIN_BACKOFF_S, MIN_BACKOFF_S * 2, MIN_BACKOFF_S * 4]
    assert delays[-1] == MAX_BACKOFF_S
    assert len(case.layer.batches) == 9
    assert case.publisher.retrying == []

    case.loop.now_s = 100.0
    case.publisher.refused([publication])
    assert case.loop.timers[-1].delay_s == MIN_BACKOFF_S


def test_one_timer_serves_all_that_were_refused_meanwhile(case: Case) -> None:
    first, second = case.add(Owner()), case.add(Owner())
    case.loop.tick()

    case.publisher.refused([first])
    case.publisher.refused([second])

    assert len(case.loop.timers) == 1
    assert case.publisher.retrying == [first, second]


def test_who_gives_up_or_was_released_is_not_published_again(case: Case) -> None:
    gives_up, released, later = Owner(keeps=False), Owner(), Owner()
    publications = [case.add(gives_up), case.add(released), case.add(later)]
    case.loop.tick()
    released.publication = None

    case.publisher.refused(publications)
    assert case.publisher.retrying == [publications[2]]
    later.publication = None
    case.loop.timers[-1].callback()
    case.loop.tick()

    assert len(case.layer.batches) == 1


def test_unreleased_entries_of_lost_batches_are_published_again(case: Case) -> None:
    owners = [Owner() for _ in range(4)]
    for owner in owners[:3]:
        case.add(owner)
        case.loop.tick()
    case.add(owners[3])
    owners[1].publication = None

    assert case.publisher.republish(owners, after=1, up_to=3) == 1
    case.loop.tick()

    assert [item.owner for item in case.layer.batches[-1]] == [owners[3], owners[2]]
    assert owners[2].batch == 4


def test_of_one_channel_that_was_lost_no_other_channels_entries_are_published_again(case: Case) -> None:
    owners = [Owner(), Owner()]
    for owner, channel in zip(owners, (RECEIVE, CONNECT), strict=True):
        case.publisher.add(Publication(channel, b"body", owner))
    case.loop.tick()

    assert case.publisher.republish(owners, after=0, up_to=1, channel=CONNECT) == 1
    case.loop.tick()

    assert [item.owner for item in case.layer.batches[-1]] == [owners[1]]


def test_what_was_refused_and_then_lost_leaves_once(case: Case) -> None:
    owner = Owner()
    publication = case.add(owner)
    case.loop.tick()
    case.publisher.refused([publication])

    assert case.publisher.republish([owner], after=0, up_to=1) == 0
    case.loop.timers[-1].callback()
    case.loop.tick()

    assert case.layer.batches == [[publication], [publication]]


def test_nothing_leaves_after_close(case: Case) -> None:
    publication = case.add(Owner())
    case.publisher.refused([publication])

    case.publisher.close()
    case.publisher.close()
    case.loop.tick()
    case.add(Owner())
    case.publisher.refused([publication])
    case.loop.tick()

    assert case.layer.batches == []
    assert case.loop.timers[0].cancelled
    assert len(case.loop.timers) == 1


async def test_it_works_with_a_real_loop() -> None:
    layer: Any = Layer()
    publisher = Publisher(layer, asyncio.get_running_loop())
    owner = Owner()

    publisher.add(Publication(RECEIVE, b"", owner))
    await asyncio.sleep(0)

    assert owner.batch == 1
