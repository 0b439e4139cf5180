"""The table of the kinds of abuse: for the terminal, and in docs/overload.md."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.overload.abuser import KINDS
from tests.support.commands import ROOT

DOCUMENT = ROOT / "docs" / "overload.md"
COMMAND = "make overload ARGS=--write-table"
_HEADS = (
    "kind",
    "what it does",
    "p50 before, ms",
    "p50 during",
    "p99 before",
    "p99 during",
    "ratio of p99",
    "rounds",
)
_BLOCK = re.compile(r"(?<=<!-- kinds of abuse -->\n).*?(?=<!-- end -->)", re.DOTALL)

Row = Sequence[str]
"""The kind, and the cells of a `windows.Comparison`."""


def lines(rows: Sequence[Row]) -> list[str]:
    """In columns, without the words."""
    plain = [(_HEADS[0], *_HEADS[2:]), *rows]
    widths = [max(len(line[column]) for line in plain) for column in range(len(plain[0]))]
    return [
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in plain
    ]


def write(rows: Sequence[Row]) -> None:
    """Writes them into the document."""
    table = [
        f"| {' | '.join(_HEADS)} |",
        f"|---|---|{'---:|' * (len(_HEADS) - 2)}",
        *(f"| `{kind}` | {KINDS[kind]} | {' | '.join(cells)} |" for kind, *cells in rows),
    ]
    text = "\n".join([f"Made by `{COMMAND}`.", "", *table, ""])
    DOCUMENT.write_text(_BLOCK.sub(lambda _: text, DOCUMENT.read_text()))
