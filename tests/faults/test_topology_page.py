"""Each run of a topology writes its own part of the page, and no other."""

from __future__ import annotations

import os

from tests.faults import topology_page
from tests.faults.cases import CASES
from tests.faults.on_topologies import OWN, cases_on
from tests.faults.topology_page import heading, lasted, part, put, rows_on


def row(case: str, lost: int = 0, recovery_s: float = 1.0) -> topology_page.Row:
    return {
        "case": case,
        "sent": 10,
        "effects": 20,
        "lost": lost,
        "twice": 0,
        "reordered": 0,
        "recovery_s": recovery_s,
    }


def test_every_case_stands_in_one_row() -> None:
    for topology in OWN:
        names = [name for row in rows_on(topology).values() for name in row]
        assert sorted(names) == sorted(case.name for case in cases_on(topology))
        assert len({*names}) == len(names)
        assert {case.name for case in CASES} <= {*names}
        assert {case.name for case in OWN[topology]} <= {*names}


def test_a_part_sums_up_the_cases_of_each_row() -> None:
    rows = [
        row("worker SIGKILL after read", 1),
        row("worker SIGKILL after commit", 2, 3.5),
        row("SENTINEL FAILOVER"),
        row("worker 1 reset after read 3 and 1.0 s later redis SIGSTOP (seed 1)"),
    ]

    text = part("sentinel", "Redis 1.2.3", rows, ["a figure"])

    assert text.startswith(f"## {heading('sentinel')}\n\nRedis 1.2.3; ")
    assert "| a worker is killed | 2 | 20 | 40 | 3 | 0 | 0 | 3.5 s |" in text
    assert "| SENTINEL FAILOVER | 1 | 10 | 20 | 0 | 0 | 0 | 1.0 s |" in text
    assert "| two faults at once, at random | 1 | 10 |" in text
    assert "| altogether | 4 | 40 | 80 | 3 | 0 | 0 | 3.5 s |" in text
    assert text.endswith("- a figure\n")


def test_a_run_tells_how_long_it_was() -> None:
    assert lasted(361.6) == f"6 min 2 s on {os.cpu_count()} cores"


def test_a_part_takes_the_place_of_the_one_before() -> None:
    page = "# Page\n\nwords\n\n## Faults on two Redises\n\nold\n\n## Faults on Sentinel\n\nkept\n"

    once = put(page, "## Faults on two Redises\n\nnew\n")

    assert once == "# Page\n\nwords\n\n## Faults on two Redises\n\nnew\n\n## Faults on Sentinel\n\nkept\n"
    assert put(once, "## Faults on two Redises\n\nnew\n") == once
    assert put(once, "## Faults on Sentinel\n\nother\n").endswith("new\n\n## Faults on Sentinel\n\nother\n")
    more = put(once, "## Faults on a Redis Cluster\n\nmore\n")
    assert more == f"{once}\n## Faults on a Redis Cluster\n\nmore\n"
