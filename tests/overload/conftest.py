"""Every test of this folder has a Redis and processes of its own; clients that mean no good run in theirs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.process import Process
from tests.support.processes import Processes, new_prefix, show_logs
from tests.support.redis_server import MISSING, Redis, find_binary, folder

TIMEOUT_S = 180


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is in this folder."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.overload)
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
    """A Redis that writes nothing down: what a disk takes is no question here."""
    binary = find_binary()
    if binary is None:
        pytest.skip(MISSING)
    with folder() as place:
        redis = Redis(place, binary, appendonly=False)
        redis.wait_until_it_answers()
        yield redis
        redis.process.kill()


@pytest.fixture
def cluster(redis_process: Redis, tmp_path: Path) -> Iterator[Processes]:
    """Processes over that Redis, none started yet. Fails the test if one of them ended that should not have."""
    processes = Processes(redis_process.url, new_prefix(), tmp_path)
    yield processes
    complaints = processes.complaints()
    processes.end()
    assert not complaints, "\n".join(complaints)


Abuse = Callable[[str, str], Process]


@pytest.fixture
def abuse(tmp_path: Path) -> Iterator[Abuse]:
    """Starts a client of a kind that means no good against an address; all are killed behind the test."""
    abusers: list[Process] = []

    def start(kind: str, address: str) -> Process:
        where = urlsplit(address)
        command = [sys.executable, "-m", "tests.overload.abuser", kind, str(where.hostname), str(where.port)]
        abusers.append(Process(f"abuser {kind}", command, tmp_path / f"abuser-{kind}.log"))
        return abusers[-1]

    yield start
    for abuser in abusers:
        abuser.kill()
