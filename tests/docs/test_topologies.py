"""docs/topologies.md has the counts of every case that the topologies have."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.faults.on_topologies import cases_on
from tests.faults.topology_page import PAGE, heading, rows_on
from tests.support import topology
from tests.support.commands import ROOT
from tests.support.topology import IN_WORDS, TOPOLOGIES, Topology

KEPT = (ROOT / "docs" / PAGE).read_text()
COUNTED = [one for one in TOPOLOGIES if one != "one"]


def cells(on: Topology) -> dict[str, list[str]]:
    """What happens, to the numbers beside it."""
    parts = re.split(r"^## (.*)$", KEPT, flags=re.MULTILINE)
    text = dict(zip(parts[1::2], parts[2::2], strict=True))[heading(on)]
    found = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]
    return {first: rest for first, *rest in found[1:]}


@pytest.mark.parametrize("on", COUNTED)
def test_every_row_has_all_its_cases_and_nothing_lost_that_was_promised(on: Topology) -> None:
    kept = cells(on)
    promised = {case.name: case.promises for case in cases_on(on)}
    for title, names in rows_on(on).items():
        cases, _, effects, lost, twice, reordered, _ = kept[title]
        assert (int(cases), int(reordered)) == (len(names), 0), title
        assert int(effects) > 1000 * len(names), title
        once = all(form == type(form)() for form in (promised[name] for name in names))
        assert not once or (lost, twice) == ("0", "0"), title


def test_the_page_names_every_topology() -> None:
    for each in IN_WORDS:
        assert f"| `{each}` |" in KEPT


def test_a_topology_that_does_not_exist_is_refused_by_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "tests/faults"],
        cwd=ROOT,
        env={**os.environ, topology.VARIABLE: "three"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    expected = "TRUNKLINE_TEST_TOPOLOGY is 'three'; expected one of one, two, sentinel, cluster"
    assert done.stderr.strip() == f"ERROR: {expected}"


def test_nothing_said_means_one_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(topology.VARIABLE, "")
    assert topology.chosen() == "one"
