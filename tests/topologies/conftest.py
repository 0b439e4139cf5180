"""The clusters of this suite, one of each kind for each test process, handed from case to case while it is whole; and
what the suites that run whole have counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

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


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints how much of each suite has passed where."""
    passed = terminalreporter.stats.get("passed", ())
    lines = sorted(value for made in passed for name, value in made.user_properties if name == "suite")
    if lines:
        terminalreporter.section("suites")
    for line in lines:
        terminalreporter.write_line(line)
