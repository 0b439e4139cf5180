"""The examples run on both layers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.stack import LayerKind, Run, Stack, stack
from trunkline.protocol.settings import LayerSettings


@pytest.fixture(params=["memory", "redis"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a routing module on the layer that is this test's."""
    layer: LayerKind = request.param
    redis: LayerSettings | None = request.getfixturevalue("layer_settings") if layer == "redis" else None

    @asynccontextmanager
    async def run(routing: str) -> AsyncIterator[Stack]:
        async with stack(routing, layer, interfaces=2, workers=2, redis=redis) as running:
            yield running

    return run
