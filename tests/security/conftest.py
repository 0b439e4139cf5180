"""A real interface server and worker over the in-memory layer, on the loop of production, and raw connections to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from tests.security.app import channel_routing
from tests.security.raw import Raw
from tests.support.stack import Stack, stack


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of production."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def cluster() -> AsyncIterator[Stack]:
    """One interface server with deflate offered, and one worker that runs `tests.security.app`."""
    async with stack(channel_routing, interface_options={"deflate": True, "close_timeout_s": 0.5}) as running:
        yield running


@pytest.fixture
async def raw(cluster: Stack) -> Raw:
    """Sends bytes to the interface server."""
    return Raw(cluster.addresses[0])
