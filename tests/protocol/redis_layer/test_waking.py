"""Waking: what is a sleep, and when it is known to have done no harm."""

from __future__ import annotations

import time

import pytest

from trunkline.protocol.redis_layer.waking import Waking

LEASE_S = 3.0


class Clock:
    """A clock of the test's."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def read(self, clock: int) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "clock_gettime", clock.read)
    return clock


def test_who_looks_within_every_lease_was_never_asleep(clock: Clock) -> None:
    waking = Waking(LEASE_S)

    for _ in range(5):
        clock.now_s += LEASE_S
        assert not waking.slept


def test_who_did_nothing_for_longer_than_its_lease_was_asleep_until_it_is_known_to_live(clock: Clock) -> None:
    waking = Waking(LEASE_S)
    clock.now_s += LEASE_S + 0.1

    assert waking.slept
    waking.survived(waking.look())
    assert not waking.slept


def test_an_answer_to_what_was_asked_before_the_sleep_tells_nothing(clock: Clock) -> None:
    waking = Waking(LEASE_S)
    asked_behind = waking.look()
    clock.now_s += LEASE_S + 0.1

    waking.survived(asked_behind)

    assert waking.slept


def test_an_answer_that_comes_late_does_not_take_back_what_a_later_one_said(clock: Clock) -> None:
    waking = Waking(LEASE_S)
    clock.now_s += LEASE_S + 0.1
    waking.survived(waking.look())

    waking.survived(0)

    assert not waking.slept
