"""What the suites have in common whose every test has a Redis and processes of its own: their `conftest` takes it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import Processes, new_prefix, show_logs
from tests.support.redis_server import MISSING, Redis, find_binary, folder


def mark(items: Sequence[pytest.Item], here: Path, marker: pytest.MarkDecorator, timeout_s: int) -> None:
    """Marks what is in a folder, and says how long a test of it may take."""
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(marker)
            item.add_marker(pytest.mark.timeout(timeout_s))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows with a failed test what its processes logged."""
    report = yield
    show_logs(item, report)
    return report


@contextmanager
def own_redis(*, appendonly: bool) -> Iterator[Redis]:
    """A Redis that the test may pause, kill and start again."""
    binary = find_binary()
    if binary is None:
        pytest.skip(MISSING)
    with folder() as place:
        redis = Redis(place, binary, appendonly=appendonly)
        redis.wait_until_it_answers()
        yield redis
        redis.process.resume()
        redis.process.kill()


def end_well(processes: Processes) -> None:
    """Ends processes.

    Raises:
        AssertionError: something went wrong in one of them, or one ended that should not have.
    """
    complaints = processes.complaints()
    processes.end()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def cluster(redis_process: Redis, tmp_path: Path) -> Iterator[Processes]:
    """Processes over that Redis, none started yet. Fails the test if one of them ended that should not have."""
    processes = Processes(redis_process.url, new_prefix(), tmp_path)
    yield processes
    end_well(processes)
