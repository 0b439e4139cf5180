"""Silence: when a side says that Redis is away, and when that it is back."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from trunkline.protocol.redis_layer.silence import GIVE_UP_S, SILENCE_S, Silence


class FakeLink:
    """A link as far as silence looks at it."""

    def __init__(self) -> None:
        self.calls: list[Callable[[object], None]] = []
        self.resets: list[object] = []

    @property
    def oldest(self) -> Callable[[object], None] | None:
        return self.calls[0] if self.calls else None

    def call(self) -> None:
        self.calls.append(lambda answer: None)

    def reset(self, reason: object) -> None:
        self.resets.append(reason)


class Case:
    """A silence over a fake link, with a clock of the test's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        self.calls, self.reads = FakeLink(), FakeLink()
        self.told: list[str] = []
        self.fault: Exception | None = None
        monkeypatch.setattr(time, "monotonic", lambda: self.now_s)
        self.silence = Silence(self.calls)  # type: ignore[arg-type]
        self.silence.begin("worker=w0", lambda: self._tell("away"), lambda: self._tell("back"))

    def _tell(self, what: str) -> None:
        self.told.append(what)
        if self.fault is not None:
            raise self.fault

    def look(self) -> None:
        self.silence.look(self.reads)  # type: ignore[arg-type]


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(monkeypatch)


def test_a_call_without_an_answer_for_long_is_told_once(case: Case) -> None:
    case.calls.call()
    case.look()
    case.now_s += SILENCE_S
    case.look()
    assert case.told == []

    case.now_s += 0.1
    case.look()
    case.look()

    assert case.told == ["away"]
    assert case.calls.resets == case.reads.resets == []


def test_calls_behind_the_first_do_not_make_the_silence_younger(case: Case) -> None:
    case.calls.call()
    case.look()
    case.now_s += SILENCE_S
    case.calls.call()
    case.look()
    case.now_s += 0.1

    case.look()

    assert case.told == ["away"]


def test_after_very_long_both_links_are_given_up(case: Case) -> None:
    case.calls.call()
    case.look()
    case.now_s += GIVE_UP_S + 1

    case.look()

    assert case.calls.resets == ["no answer for 16 s"]
    assert case.reads.resets == ["the other link was silent"]


def test_an_answer_begins_the_wait_of_what_still_waits_anew(case: Case) -> None:
    case.calls.call()
    case.calls.call()
    case.look()
    case.now_s += SILENCE_S + 1
    case.calls.calls.pop(0)

    case.look()
    assert case.told == []
    case.now_s += SILENCE_S + 1
    case.look()
    assert case.told == ["away"]


def test_without_a_call_that_waits_there_is_no_silence(case: Case) -> None:
    case.calls.call()
    case.look()
    case.now_s += GIVE_UP_S + 1
    case.calls.calls.clear()
    case.look()

    case.now_s += GIVE_UP_S + 1
    case.calls.call()
    case.look()
    assert case.told == []


def test_a_side_that_has_ended_says_nothing_of_being_away(case: Case) -> None:
    case.silence.ended = True

    case.silence.go_away()

    assert case.told == []


def test_a_receiver_that_fails_when_it_is_told_is_told_the_next_all_the_same(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    case.fault = ZeroDivisionError("of the receiver")

    case.silence.go_away()
    case.silence.come_back()
    case.silence.come_back()

    assert case.told == ["away", "back"]
    assert caplog.text.count("of the receiver") == 2


def test_before_it_has_begun_there_is_nobody_to_tell() -> None:
    silence = Silence(FakeLink())  # type: ignore[arg-type]

    silence.go_away()

    assert silence.away
