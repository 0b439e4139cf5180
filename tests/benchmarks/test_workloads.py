"""The workloads name what there is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.contenders import NAMES, chosen, divided
from benchmarks.limits import Limit
from benchmarks.peer import Job, Peer, Shape
from benchmarks.speech import Speech
from benchmarks.systems import FLOOR, TRUNKLINE
from benchmarks.turns import connections, route_of, takes_part, turns
from benchmarks.workload import ALL, Workload
from benchmarks.workloads import WORKLOADS

PEERS = chosen(["all"])
NAMED = [peer.name for peer in PEERS]


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_a_limit_is_about_a_system_or_a_workload_that_take_part(workload: Workload) -> None:
    for limit in workload.limits:
        if limit.of in WORKLOADS:
            other = WORKLOADS[limit.of]
            assert (other.fresh, other.measure) == (workload.fresh, workload.measure)
            assert not limit.value, "a ratio is one of figures"
        elif limit.of == FLOOR.name:
            assert workload.floor
        elif limit.of:
            assert workload.peers == ALL or limit.of in workload.peers


def test_no_workload_is_named_like_a_system() -> None:
    assert not set(NAMED) & set(WORKLOADS)


def test_a_workload_takes_turns_with_the_one_that_it_is_compared_with() -> None:
    workloads = {
        "one": replace(WORKLOADS["sleep-1"], limits=()),
        "four": replace(WORKLOADS["sleep-4"], limits=(Limit(3.5, of="one"), Limit(3, of="one"), Limit(9))),
    }
    taking = turns("four", [TRUNKLINE, FLOOR], workloads)
    assert [(turn.name, turn.peer, turn.workload) for turn in taking] == [
        (TRUNKLINE.name, TRUNKLINE, workloads["four"]),
        ("one", TRUNKLINE, workloads["one"]),
    ]


@pytest.mark.parametrize("peer", PEERS, ids=NAMED)
def test_every_dialect_of_a_system_is_found_by_its_name(peer: Peer) -> None:
    for route in peer.routes.values():
        assert Speech(route.dialect).dialect


def test_trunkline_and_the_floor_do_everything_that_is_asked_of_them() -> None:
    assert set(TRUNKLINE.routes) == set(Job)
    asked = {workload.job for workload in WORKLOADS.values() if workload.floor}
    assert asked <= set(FLOOR.routes)


def test_a_system_takes_part_where_it_is_named_and_can_do_the_job() -> None:
    echo = WORKLOADS["echo"]
    other = replace(FLOOR, name="other", routes={Job.ECHO: FLOOR.routes[Job.ECHO]})
    assert takes_part(TRUNKLINE, replace(echo, floor=False, peers=()))
    assert not takes_part(FLOOR, replace(echo, floor=False))
    assert takes_part(other, echo)
    assert takes_part(other, replace(echo, peers=("other",)))
    assert not takes_part(other, replace(echo, peers=()))
    assert not takes_part(other, WORKLOADS["group-200"])


def test_silent_connections_may_be_silent_anywhere() -> None:
    groups = replace(FLOOR, name="nchan", routes={Job.GROUP: FLOOR.routes[Job.GROUP]})
    assert route_of(groups, WORKLOADS["idle-5000"]) == FLOOR.routes[Job.GROUP]
    assert route_of(groups, WORKLOADS["echo"]) is None
    assert takes_part(groups, WORKLOADS["idle-5000"])


def test_connections_are_bounded_by_what_was_said_and_by_the_files_of_their_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.turns.most_connections", lambda: 900)
    idle = replace(WORKLOADS["idle-50000"], shape=Shape(interfaces=3))
    assert connections(WORKLOADS["echo"], 10) == 10
    assert connections(WORKLOADS["echo-10000"], 50_000) == 900
    assert connections(idle, 50_000) == 2700


def test_trunkline_comes_first_and_the_floor_always() -> None:
    assert [peer.name for peer in chosen([])] == ["trunkline", "floor"]
    assert [peer.name for peer in PEERS] == ["trunkline", *NAMES]


def test_a_system_that_cannot_run_here_says_why() -> None:
    absent = replace(FLOOR, name="absent", missing=lambda: "no compiler")
    assert divided([FLOOR, absent]) == ([FLOOR], {"absent": "no compiler"})
