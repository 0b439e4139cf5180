"""The clusters of the fault suite: one for each test process, handed from case to case while it is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.faults import report
from tests.faults.cases import CASES, Case
from tests.faults.cluster import Cluster
from tests.faults.own_redis import OwnRedis
from tests.faults.play import Result, play
from tests.support.commands import ROOT
from tests.support.redis_server import MISSING, find_binary, folder

SHOWN_LINES = 40
TURNS = 3


MakeCluster = Callable[[ExitStack, str, Path], Cluster]


def own_redis(places: ExitStack, binary: str) -> OwnRedis:
    """A Redis that answers, with a folder of its own."""
    redis = OwnRedis(places.enter_context(folder()), binary)
    redis.wait_until_it_answers()
    return redis


def one_redis(places: ExitStack, binary: str, logs: Path) -> Cluster:
    """A cluster over one Redis."""
    return Cluster(own_redis(places, binary), logs)


class Clusters:
    """Hands out a cluster, the same as long as nobody spoils it.

    Args:
        logs: folder of their logs.
        make: makes one: in folders for the files of Redises, with the program, and a folder for logs.

    Attributes:
        last: that was handed out.
    """

    def __init__(self, logs: Path, make: MakeCluster = one_redis) -> None:
        self._logs = logs
        self._make = make
        self._present: Cluster | None = None
        self.last: Cluster | None = None
        self._count = 0
        self._places = ExitStack()

    async def get(self) -> Cluster:
        """A cluster that is whole."""
        if self._present is None:
            binary = find_binary()
            if binary is None:
                pytest.skip(MISSING)
            self._count += 1
            logs = self._logs / str(self._count)
            logs.mkdir()
            self._present = self.last = self._make(self._places, binary, logs)
        return self._present

    async def play(self, case: Case) -> Result:
        """Plays a case on a cluster that is whole. If only its time was over the bound it is played again, as a busy
        machine makes a recovery longer and never shorter; every history has to be right.

        Raises:
            AssertionError: a promise was broken, or the bound never held.
        """
        for turn in range(TURNS):
            cluster = await self.get()
            whole = False
            try:
                result = await play(cluster, case)
                whole = case.keeps_cluster
            finally:
                if not whole:
                    await self.spoil()
            if result.recovery_s <= case.within_s:
                return result
            print(f"turn {turn + 1}: {result}")
        raise AssertionError(f"{case.name}: recovered {TURNS} times in over {case.within_s} s")

    async def spoil(self) -> None:
        """Ends the present one; the next case gets another."""
        cluster, self._present = self._present, None
        if cluster is not None:
            await cluster.close()
            cluster.stop_redis()
        self._places.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Flags of this suite."""
    parser.addoption("--fault-seed", default=None, help="play the random pair of this seed, and no other")
    parser.addoption("--write-report", action="store_true", help="write docs/faults.md")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Prints the matrix; writes it down if that was asked for and everything has passed."""
    properties = [
        item
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        for item in report.user_properties
    ]
    order = {case.name: place for place, case in enumerate(CASES)}
    rows = [value for name, value in properties if name == "fault_case"]
    rows.sort(key=lambda row: (order.get(row["case"], len(order)), row["case"]))
    figures = sorted(value for name, value in properties if name == "fault_figure")
    if not rows and not figures:
        return
    terminalreporter.section("faults")
    for line in (*report.table(rows), "", *report.recoveries(rows), *figures):
        terminalreporter.write_line(line)
    if config.getoption("--write-report", False):
        if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
            terminalreporter.write_line("docs/faults.md is not written: not everything has passed")
        else:
            (ROOT / "docs" / "faults.md").write_text(report.document(rows, figures))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def clusters(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clusters]:
    """Clusters for this test process."""
    made = Clusters(tmp_path_factory.mktemp("faults"))
    yield made
    await made.spoil()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows with a failed case what its processes logged."""
    made = yield
    clusters = getattr(item, "funcargs", {}).get("clusters")
    if made.failed and isinstance(clusters, Clusters) and clusters.last is not None:
        for process in clusters.last.processes.all():
            lines = process.text().splitlines()[-SHOWN_LINES:]
            made.sections.append((f"log of {process.name} (pid {process.pid})", "\n".join(lines)))
    return made
