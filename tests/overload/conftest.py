"""Every test of this folder has a Redis and processes of its own; clients that mean no good run in theirs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.overload import table
from tests.overload.abuser import KINDS
from tests.support.own_processes import cluster, mark, own_redis, pytest_runtest_makereport
from tests.support.process import Process
from tests.support.redis_server import Redis

__all__ = ["Abuse", "cluster", "pytest_runtest_makereport"]

TIMEOUT_S = 180


def pytest_addoption(parser: pytest.Parser) -> None:
    """Flags of this suite."""
    parser.addoption("--lean", action="store_true", help="the main kinds of abuse only")
    parser.addoption("--write-table", action="store_true", help="write the table in docs/overload.md")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Prints the table of the kinds of abuse; writes it down if that was asked for and everything has passed."""
    rows = [
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        for name, value in report.user_properties
        if name == "abuse"
    ]
    if not rows:
        return
    terminalreporter.section("how long others wait before and during the abuse")
    for line in table.lines(rows):
        terminalreporter.write_line(line)
    if config.getoption("--write-table", False):
        if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
            terminalreporter.write_line("docs/overload.md is not written: not everything has passed")
        elif {row[0] for row in rows} != KINDS.keys():
            terminalreporter.write_line("docs/overload.md is not written: not every kind was played")
        else:
            table.write(rows)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is in this folder."""
    mark(items, Path(__file__).parent, pytest.mark.overload, TIMEOUT_S)


@pytest.fixture
def redis_process() -> Iterator[Redis]:
    """A Redis that writes nothing down: what a disk takes is no question here."""
    with own_redis(appendonly=False) as redis:
        yield redis


Abuse = Callable[[str, str], Process]


@pytest.fixture
def abuse(tmp_path: Path) -> Iterator[Abuse]:
    """Starts a client of a kind that means no good against an address; all are killed behind the test."""
    abusers: list[Process] = []

    def start(kind: str, address: str) -> Process:
        where = urlsplit(address)
        command = [sys.executable, "-m", "tests.overload.abuser", kind, str(where.hostname), str(where.port)]
        abusers.append(Process(f"abuser {kind}", command, tmp_path / f"abuser-{kind}.log"))
        return abusers[-1]

    yield start
    for abuser in abusers:
        abuser.kill()
