"""Where a signal may break a command off, and where it waits."""

from __future__ import annotations

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
    assert signal.getsignal(number) is _end
    signal.signal(number, before)


def test_a_signal_waits_for_the_end_of_what_may_not_be_broken_off(number: int) -> None:
    steps = []
    with pytest.raises(Ended):
        with uninterrupted():
            signal.raise_signal(number)
            steps.append("finished")
        steps.append("went on")
    assert steps == ["finished"]


def test_it_breaks_off_the_breakable_stretch_and_what_cleans_up_is_safe_again(number: int) -> None:
    steps = []
    with pytest.raises(Ended), uninterrupted():
        signal.raise_signal(number)
        try:
            with breakable():
                steps.append("went on")
        finally:
            signal.raise_signal(number)
            steps.append("cleaned up")
    assert steps == ["cleaned up"]


def test_one_that_comes_in_the_breakable_stretch_ends_it(number: int) -> None:
    steps = []
    with pytest.raises(Ended), uninterrupted():
        try:
            with breakable():
                signal.raise_signal(number)
                steps.append("went on")
        finally:
            steps.append("cleaned up")
    assert steps == ["cleaned up"]


def test_without_a_signal_all_goes_on(number: int) -> None:
    with uninterrupted():
        with breakable():
            assert signal.getsignal(number) is _end
        assert signal.getsignal(number) is not _end
    with breakable():
        assert signal.getsignal(number) is _end
