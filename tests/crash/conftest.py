"""Every test of this folder has a Redis and processes of its own, and may do to them what it likes."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support.processes import Processes, new_prefix, show_logs
from tests.support.redis_server import MISSING, Redis, find_binary, folder

TIMEOUT_S = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is in this folder."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.crash)
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows with a failed test what its processes logged."""
    report = yield
    show_logs(item, report)
    return report


@pytest.fixture
def redis_process() -> Iterator[Redis]:
    """A Redis that writes everything down."""
    binary = find_binary()
    if binary is None:
        pytest.skip(MISSING)
    with folder() as place:
        redis = Redis(place, binary, appendonly=True)
        redis.wait_until_it_answers()
        yield redis
        redis.process.resume()
        redis.process.kill()


@pytest.fixture
def cluster(redis_process: Redis, tmp_path: Path) -> Iterator[Processes]:
    """Processes over that Redis, none started yet. Fails the test if one of them ended that should not have."""
    processes = Processes(redis_process.url, new_prefix(), tmp_path)
    yield processes
    complaints = processes.complaints()
    processes.end()
    assert not complaints, "\n".join(complaints)
