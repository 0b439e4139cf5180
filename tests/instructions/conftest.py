"""The count that all gates are held against, made once, and its table at the end of the run."""

from __future__ import annotations

import os

import pytest

from tests.instructions.callgrind import MISSING, find_valgrind
from tests.instructions.count import count_all
from tests.instructions.gates import WRITE, Cost, Gates, gates_for, read, this_build

FOUND = pytest.StashKey[tuple[Gates, list[Cost]]]()


@pytest.fixture(scope="session")
def gates() -> Gates:
    """What holds for this CPython."""
    found = gates_for(this_build(), read())
    if found is None:
        pytest.skip(f"no gates for {this_build()} yet, nor for another build of its version: {WRITE}")
    return found


@pytest.fixture(scope="session")
def counted(request: pytest.FixtureRequest, gates: Gates) -> dict[str, Cost]:
    """What a message costs, by path."""
    valgrind = find_valgrind()
    if valgrind is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING, pytrace=False)
        pytest.skip(MISSING)
    found = count_all(valgrind)
    request.config.stash[FOUND] = (gates, found)
    return {cost.path: cost for cost in found}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Shows the table, and what has become cheaper."""
    if FOUND not in config.stash:
        return
    gates, found = config.stash[FOUND]
    terminalreporter.section(f"instructions of a message: {this_build()}, gates of {gates.build}")
    for line in (*gates.table(found), *filter(None, map(gates.gain, found))):
        terminalreporter.write_line(line)
