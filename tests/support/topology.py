"""Where a suite's Redises are: one, two that are shards, one that Sentinel watches, or a Redis Cluster of six nodes.

``TRUNKLINE_TEST_TOPOLOGY`` (``make … TOPOLOGY=two``) chooses. The contract, the end-to-end and the fault suites run on
each; the others on one Redis, whatever it says.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Literal, get_args

import pytest

from tests.support import redis_server as servers
from tests.support.redis_server import RedisServer
from tests.support.sentinels import sentinel_set
from tests.support.six_nodes import SixNodes

Topology = Literal["one", "two", "sentinel", "cluster"]
VARIABLE: Final = "TRUNKLINE_TEST_TOPOLOGY"
TOPOLOGIES: Final[tuple[Topology, ...]] = get_args(Topology)
IN_WORDS: Final[dict[Topology, str]] = {
    "one": "one Redis",
    "two": "two Redises",
    "sentinel": "Sentinel",
    "cluster": "a Redis Cluster",
}


def chosen() -> Topology:
    """What ``TRUNKLINE_TEST_TOPOLOGY`` says, or ``one``.

    Raises:
        ValueError: it says something else.
    """
    name = os.environ.get(VARIABLE) or "one"
    if name not in TOPOLOGIES:
        raise ValueError(f"{VARIABLE} is {name!r}; expected one of {', '.join(TOPOLOGIES)}")
    return name


def leave_out(config: pytest.Config, items: list[pytest.Item], here: Path, fixtures: Sequence[str]) -> None:
    """On another topology than one Redis, leaves out the tests of a folder that are the same there.

    Args:
        config: of the run.
        items: its tests; changed.
        here: the folder.
        fixtures: a test that needs one of these has a Redis.
    """
    if chosen() == "one":
        return
    same = [
        item
        for item in items
        if item.path.is_relative_to(here) and not {*fixtures} & {*getattr(item, "fixturenames", ())}
    ]
    config.hook.pytest_deselected(items=same)
    items[:] = [item for item in items if item not in same]


@contextmanager
def own(topology: Topology, binary: str) -> Iterator[RedisServer]:
    """Servers of our own that end with the block; nobody may stop one of several.

    Args:
        topology: which.
        binary: the server program.
    """
    with _MAKERS[topology](binary) as server:
        yield server


@contextmanager
def _two(binary: str) -> Iterator[RedisServer]:
    with servers.own(binary) as first, servers.own(binary) as second:
        yield RedisServer(f"{first.url},{second.url}", "test", None)


@contextmanager
def _by_sentinel(binary: str) -> Iterator[RedisServer]:
    with sentinel_set(binary, replicas=1) as watched:
        watched.be_patient()  # These suites are not about another one that takes over.
        yield RedisServer(watched.url, "test", None)


@contextmanager
def _of_six_nodes(binary: str) -> Iterator[RedisServer]:
    # In a loop of its own and in a thread, for the test process may have another.
    with ExitStack() as places, ThreadPoolExecutor(1) as thread, asyncio.Runner() as runner:
        nodes = SixNodes(places, binary)
        try:
            thread.submit(runner.run, nodes.start()).result()
            thread.submit(runner.run, nodes.be_patient()).result()
            yield RedisServer(nodes.url, "test", None)
        finally:
            thread.submit(runner.run, nodes.close()).result()


_MAKERS: Final[dict[Topology, Callable[[str], Any]]] = {
    "one": servers.own,
    "two": _two,
    "sentinel": _by_sentinel,
    "cluster": _of_six_nodes,
}
