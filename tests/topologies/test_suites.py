"""The layer contract suite and the end-to-end suite, whole, on each topology but one Redis, which is `make test`'s."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Final

import pytest

from tests.support import redis_server as servers
from tests.support.commands import ROOT
from tests.support.topology import IN_WORDS, TOPOLOGIES, VARIABLE, Topology

pytestmark = [pytest.mark.topologies, pytest.mark.timeout(400)]

SUITES: Final = {"contract": "tests/protocol/layer_contract", "end-to-end": "tests/e2e"}
LEAST: Final = {"contract": 140, "end-to-end": 45}
"""Tests that touch a Redis in each: were they not there, nothing would be shown."""
LIMIT_S: Final = 380.0

Note = Callable[[str, object], None]


def run(suite: str, where: str, environ: Mapping[str, str], note: Note) -> None:
    """Runs a suite in a process of its own, which fails if one of its tests does."""
    done = subprocess.run(
        # The first test of all waits for six nodes and for the processes to be ready.
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "200", SUITES[suite]],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    passed = re.search(r"(\d+) passed", done.stdout)
    assert done.returncode == 0 and passed is not None, done.stdout[-8000:] + done.stderr[-2000:]
    assert int(passed[1]) >= LEAST[suite]
    note("suite", f"{suite} suite on {where}: {passed[1]} passed")


@pytest.mark.parametrize("topology", [one for one in TOPOLOGIES if one != "one"])
@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_passes_whole(suite: str, topology: Topology, record_property: Note) -> None:
    run(suite, f"{IN_WORDS[topology]}, {servers.version()}", {VARIABLE: topology}, record_property)


def test_the_contract_is_kept_on_a_unix_socket_and_another_database(record_property: Note) -> None:
    binary = servers.find_binary()
    assert binary is not None, servers.MISSING
    with servers.own(binary) as server:
        where = "a Unix socket and database 3"
        run("contract", where, {VARIABLE: "one", "REDIS_URL": f"redis+{server.url}?db=3"}, record_property)
