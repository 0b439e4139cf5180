"""The matrix of a run as text: for the terminal, and as docs/faults.md."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tests.faults.cases import CASES
from tests.faults.promises import Form
from tests.faults.rows import COLUMNS, ROWS, cases_of, row_of, weakest, within_s

Row = Mapping[str, Any]
"""A `play.Result` as it came from the test process."""

COMMAND = "make faults ARGS=--write-report"
_HEADS = ("case", "events sent", "effects", "lost", "twice", "reordered", "recovery s", "bound s")
_FAMILIES = (
    ("worker SIGKILL", "worker SIGKILL"),
    ("interface SIGKILL, its disconnects handled", "interface SIGKILL"),
    ("Redis SIGKILL and restart, from its first answer", "redis SIGKILL"),
)
_INTRODUCTION = f"""
Made by `{COMMAND}`. Each case runs real processes (two interface servers, two workers, a Redis that writes
everything down), each behind a proxy that can stop the very Redis command a case names, under a load of numbered
frames. Every frame counts in a session and is replied to, every fourth is sent to a group, every fourth to a
background channel; joins and disconnects are counted too. *Lost*, *twice* and *reordered* are effects; where a
case may have some, its last column says which. *Recovery* is the longest wait for a reply behind the fault, and
for the disconnects of connections that the fault ended; behind a fault of Redis it counts from when that was over.
Where Redis itself forgets, effects may be missing or doubled of frames sent from half a second and two of the slowest
replies before the first moment that it forgot to a second behind the fault; at least 300 frames before that time and
300 behind it are held to everything, or the case fails.

A heading for each row of the [table of promises](../DESIGN.md#the-table-of-promises). What stands in the column *test*
runs that case alone: `make faults ARGS='-k "[worker-SIGKILL-after-read]"'`. On two Redises, by Sentinel and on a Redis
Cluster: [topologies.md](topologies.md#how-the-fault-suite-runs-there).
"""
PAIRS = "Two faults at once, at random"
"""Heading of those that are in no row."""


def selector_of(case: str) -> str:
    """What runs a case alone."""
    seed = re.search(r"\(seed (\d+)\)$", case)
    if seed is not None:
        return f"random --fault-seed {seed[1]}"
    return next(f"[{known.id}]" for known in CASES if known.name == case)


def cells(row: Row) -> tuple[str, ...]:
    """A row as text."""
    numbers = (str(row[name]) for name in ("sent", "effects", "lost", "twice", "reordered"))
    return (row["case"], *numbers, f"{row['recovery_s']:.2f}", f"{row['within_s']:.0f}")


def table(rows: Sequence[Row]) -> list[str]:
    """Lines in columns."""
    lines = [_HEADS, *(cells(row) for row in rows), _total(rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    return [
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]


def _total(rows: Sequence[Row]) -> tuple[str, ...]:
    sums = (str(sum(row[name] for row in rows)) for name in ("sent", "effects", "lost", "twice", "reordered"))
    return (f"{len(rows)} cases", *sums, "", "")


def recoveries(rows: Sequence[Row]) -> list[str]:
    """Median and worst of the three recoveries that everybody asks for.

    Without the pairs at random: what takes long there may be the other fault.
    """
    lines = []
    for text, begin in _FAMILIES:
        alone = [row for row in rows if row["case"].startswith(begin) and row_of(row["case"]) is not None]
        seconds = sorted(row["recovery_s"] for row in alone)
        if seconds:
            median, worst = statistics.median(seconds), seconds[-1]
            lines.append(f"{text}: median {median:.1f} s, worst of {len(seconds)}: {worst:.1f} s")
    return lines


def _promise(title: str) -> str:
    """What holds in the cases of a row."""
    cases = cases_of(title)
    columns = {
        form: [name for column, name in COLUMNS.items() if weakest(cases, column) is form] for form in Form
    }
    kept = "; ".join(f"{form.value}: {', '.join(names)}" for form, names in columns.items() if names)
    return f"{kept[0].upper()}{kept[1:]}. Goes on within {within_s(cases):g} s."


def _section(heading: str, words: str, rows: Sequence[Row]) -> list[str]:
    heads = (*_HEADS, "what was lost or doubled", "test")
    return [
        f"## {heading[0].upper()}{heading[1:]}",
        "",
        words,
        "",
        f"| {' | '.join(heads)} |",
        f"|---|{'---:|' * (len(_HEADS) - 1)}---|---|",
        *(f"| {' | '.join(cells(row))} | {row['detail']} | `{selector_of(row['case'])}` |" for row in rows),
        "",
    ]


def document(rows: Sequence[Row], figures: Sequence[str]) -> str:
    """docs/faults.md."""
    parts: dict[str | None, list[Row]] = {title: [] for title in (*ROWS, None)}
    for row in rows:
        parts[row_of(row["case"])].append(row)
    lines = ["# Faults, and what became of the messages", "", *_INTRODUCTION.splitlines()[1:], ""]
    for title in ROWS:
        lines += _section(title, _promise(title), parts[title])
    pairs = (
        "What holds in both. Each run makes new ones; `make faults ARGS='-k random --fault-seed 123'` plays "
        "one again."
    )
    lines += _section(PAIRS, pairs, parts[None])
    heads, sums = _HEADS[:6], _total(rows)[:6]
    lines += [
        "## Altogether",
        "",
        f"| {' | '.join(heads)} |",
        f"|---|{'---:|' * (len(heads) - 1)}",
        f"| {' | '.join(sums)} |",
        "",
        "## Time to recover",
        "",
        *(f"- {line}" for line in (*recoveries(rows), *figures)),
        "",
        "The last three lines have tests of their own: `make faults ARGS='-k test_figures'`.",
        "",
    ]
    return "\n".join(lines)
