"""The layer contract suite by way of Sentinel, and on a Unix socket: the same tests as on any Redis."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support import redis_server as servers
from tests.support.commands import ROOT
from tests.support.sentinels import sentinel_set

pytestmark = [pytest.mark.topologies, pytest.mark.timeout(300)]

SUITE = "tests/protocol/layer_contract"
LEAST = 50
"""Tests that the suite has on one layer."""
LIMIT_S = 280.0


@contextmanager
def by_sentinel(binary: str) -> Iterator[str]:
    """URL of a Redis that two Sentinels know."""
    with sentinel_set(binary, replicas=1, sentinels=2) as watched:
        yield watched.url


@contextmanager
def on_a_socket(binary: str) -> Iterator[str]:
    """URL of a Redis that listens on a Unix socket only."""
    with servers.own(binary) as server:
        yield f"redis+{server.url}?db=3"


@pytest.mark.parametrize("place", [by_sentinel, on_a_socket])
def test_the_contract_is_kept(place: object) -> None:
    binary = servers.find_binary()
    if binary is None:
        pytest.fail(servers.MISSING, pytrace=False)
    assert callable(place)
    with place(binary) as url:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not memory", SUITE],
            cwd=ROOT,
            env={**os.environ, "REDIS_URL": url},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    passed = re.search(r"(\d+) passed", done.stdout)
    assert done.returncode == 0 and passed is not None, done.stdout[-5000:] + done.stderr[-2000:]
    assert int(passed[1]) >= LEAST
    print(f"{passed[0]} at {url}")
