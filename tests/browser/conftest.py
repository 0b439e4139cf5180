"""A Chromium for each test that asks for one, and a cluster of real processes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.chromium import Browser, chromium, find_chromium
from tests.support.cluster import Cluster, cluster_of

MISSING = "no Chromium: apt-get install chromium"


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    """A headless Chromium with an empty profile."""
    executable = find_chromium()
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING, pytrace=False)
        pytest.skip(MISSING)
    async with chromium(executable, tmp_path / "profile") as running:
        yield running


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Two interface servers, two workers and a Redis, each a process of its own, running the example chat."""
    async with cluster_of("examples.chat.routing", tmp_path / "run", interfaces=2, workers=2) as running:
        yield running
