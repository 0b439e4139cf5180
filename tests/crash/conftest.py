"""Every test of this folder has a Redis and processes of its own, and may do to them what it likes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.own_processes import cluster, mark, own_redis, pytest_runtest_makereport
from tests.support.redis_server import Redis

__all__ = ["cluster", "pytest_runtest_makereport"]

TIMEOUT_S = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is in this folder."""
    mark(items, Path(__file__).parent, pytest.mark.crash, TIMEOUT_S)


@pytest.fixture
def redis_process() -> Iterator[Redis]:
    """A Redis that writes everything down."""
    with own_redis(appendonly=True) as redis:
        yield redis
