"""Where a signal may break a command off, and where it waits."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from trunkline.deploy.interruptions import breakable, uninterrupted


class Ended(BaseException):
    """Raised by the signal's handler, as `sys.exit` would be."""


def _end(*_: object) -> None:
    raise Ended


@pytest.fixture(params=[signal.SIGTERM, signal.SIGINT])
def number(request: pytest.FixtureRequest) -> Iterator[int]:
    number: int = request.param
    before = signal.signal(number, _end)
    yield number
    signal.signal(number, before)


def test_a_signal_waits_for_the_end_of_what_may_not_be_broken_off(number: int) -> None:
    steps = []
    with pytest.raises(Ended):
        with uninterrupted():
            os.kill(os.getpid(), number)
            steps.append("finished")
        steps.append("went on")
    assert steps == ["finished"]


def test_it_breaks_off_the_breakable_stretch_and_what_cleans_up_is_safe_again(number: int) -> None:
    steps = []
    with pytest.raises(Ended), uninterrupted():
        os.kill(os.getpid(), number)
        try:
            with breakable():
                steps.append("went on")
        finally:
            os.kill(os.getpid(), number)
            steps.append("cleaned up")
    assert steps == ["cleaned up"]


def test_without_a_signal_nothing_is_changed() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with uninterrupted(), breakable():
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before - {signal.SIGINT, signal.SIGTERM}
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
