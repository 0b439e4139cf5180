"""The clusters of this suite: one of each kind for each test process, handed from case to case while it is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.conftest import Clusters
from tests.topologies.two_redises import two_redises


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def on_two_redises(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clusters]:
    """Clusters over two Redises."""
    made = Clusters(tmp_path_factory.mktemp("two"), two_redises)
    yield made
    await made.spoil()
