"""docs/topologies.md has the counts of every case that the topologies have."""

from __future__ import annotations

import re

import pytest

from tests.faults.on_topologies import LEFT_OUT, cases_on, present
from tests.faults.rows import row_of
from tests.faults.topology_page import PAGE, heading, rows_on
from tests.support import topology
from tests.support.commands import ROOT
from tests.support.topology import IN_WORDS, Topology

KEPT = (ROOT / "docs" / PAGE).read_text()
COUNTED: tuple[Topology, ...] = ("two",)
"""Where the whole suite was run. On Sentinel, those cases are which `tests/topologies` has."""


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


@pytest.mark.parametrize("on", COUNTED)
def test_what_is_left_out_is_named_with_its_reason(on: Topology) -> None:
    for name, reason in LEFT_OUT[on].items():
        assert row_of(name) is not None
        assert f"- Left out: *{name}*; {reason}.\n" in KEPT


def test_the_page_names_every_topology() -> None:
    for each in IN_WORDS:
        assert f"| `{each}` |" in KEPT


def test_a_topology_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(topology.VARIABLE, "three")
    with pytest.raises(ValueError, match="TRUNKLINE_TEST_TOPOLOGY is 'three'; expected one of one, two, "):
        topology.chosen()
    monkeypatch.setenv(topology.VARIABLE, "")
    assert topology.chosen() == "one"


def test_the_fault_suite_refuses_a_topology_that_it_has_no_cases_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(topology.VARIABLE, "cluster")
    with pytest.raises(ValueError, match="'cluster'; the fault suite runs on one of one, two, sentinel"):
        present()
