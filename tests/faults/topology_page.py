"""docs/topologies.md: what a whole run of the fault suite on a topology has counted, each run its part."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.faults.on_topologies import OWN, cases_on
from tests.faults.report import PAIRS
from tests.faults.rows import ROWS, row_of
from tests.support.topology import IN_WORDS, Topology

Row = Mapping[str, Any]
PAGE: Final = "topologies.md"
_HEADS: Final = (
    "what happens",
    "cases",
    "events sent",
    "effects",
    "lost",
    "twice",
    "reordered",
    "worst recovery",
)
_SUMMED: Final = ("sent", "effects", "lost", "twice", "reordered")


def heading(topology: Topology) -> str:
    """Of a topology's part."""
    return f"Faults on {IN_WORDS[topology]}"


def rows_on(topology: Topology) -> dict[str, list[str]]:
    """What happens, in people's words, and the names of the cases of a topology that show it."""
    found: dict[str, list[str]] = {title: [] for title in ROWS}
    own = {case.name for case in OWN[topology]}
    for case in cases_on(topology):
        title = case.name if case.name in own else row_of(case.name)
        assert title is not None, case.name
        found.setdefault(title, []).append(case.name)
    return {title: names for title, names in found.items() if names}


def _line(title: str, rows: Sequence[Row]) -> str:
    sums = [str(sum(row[name] for row in rows)) for name in _SUMMED]
    worst_s = max((row["recovery_s"] for row in rows), default=0.0)
    return f"| {' | '.join((title, str(len(rows)), *sums, f'{worst_s:.1f} s'))} |"


def lasted(seconds: float) -> str:
    """How long a run was, and on how many cores."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s on {os.cpu_count()} cores"


def part(topology: Topology, run: str, rows: Sequence[Row], figures: Sequence[str]) -> str:
    """The part of one topology, from its heading on.

    Args:
        topology: which.
        run: name and version of Redis, and how long it was.
        rows: of every case that was played.
        figures: of the tests that count something else.
    """
    titles = rows_on(topology)
    known = {name for names in titles.values() for name in names}
    lines = [
        f"## {heading(topology)}",
        "",
        f"{run}; made by `make faults TOPOLOGY={topology} ARGS=--write-report`.",
        "",
        f"| {' | '.join(_HEADS)} |",
        f"|---|{'--:|' * (len(_HEADS) - 1)}",
        *(_line(title, [row for row in rows if row["case"] in names]) for title, names in titles.items()),
        _line(PAIRS.lower(), [row for row in rows if row["case"] not in known]),
        _line("altogether", rows),
        "",
        *(f"- {figure}" for figure in figures),
        "",
    ]
    return "\n".join(lines)


def put(page: str, text: str) -> str:
    """The page with a part in the place of the one of the same heading, or behind all others."""
    (title,) = re.findall(r"\A## .*$", text, re.MULTILINE)
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    for place, before in enumerate(parts):
        if before.splitlines()[:1] == [title]:
            parts[place] = text if place == len(parts) - 1 else f"{text}\n"
            return "".join(parts)
    return f"{page.rstrip()}\n\n{text}"
