"""Fixtures of every tier."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support import redis_server as servers
from tests.support import topology
from tests.support.redis_server import RedisServer
from trunkline.protocol.settings import LayerSettings

# A busy machine makes any example slow; what may take how long is not for a property to say.
settings.register_profile("trunkline", deadline=None)
settings.load_profile("trunkline")

# Short, so that take-overs do not make the suite slow; long enough for a machine that does something else as well.
INTERFACE_LEASE_S = 1.0
WORKER_LEASE_S = 0.6


def pytest_configure() -> None:
    """Refuses a topology that there is not. A shell starts what runs in the background with SIGINT ignored, and
    processes inherit that: those that tests start would not hear Ctrl-C."""
    try:
        topology.chosen()
    except ValueError as wrong:
        raise pytest.UsageError(str(wrong)) from None
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A real Redis for this test process (with pytest-xdist each of its workers has one), or those of a topology."""
    url = os.environ.get("REDIS_URL")
    binary = None if url else servers.find_binary()
    if url:
        with servers.external(url) as server:
            yield server
    elif binary is not None:
        with topology.own(topology.chosen(), binary) as server:
            yield server
    elif os.environ.get("CI") == "true":
        pytest.fail(servers.MISSING, pytrace=False)
    else:
        pytest.skip(servers.MISSING)


@pytest.fixture
def layer_settings(redis_server: RedisServer) -> LayerSettings:
    """Settings of a layer on the real Redis under a key prefix of this test's own, with short leases."""
    return LayerSettings.model_validate(
        {
            "redis_url": redis_server.url,
            "prefix": redis_server.fresh_prefix(),
            "interface_lease_s": INTERFACE_LEASE_S,
            "worker_lease_s": WORKER_LEASE_S,
        }
    )
