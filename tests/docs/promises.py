"""The table of promises in the design and the README, made from the cases of the fault suite: no cell without a test.

``python -m tests.docs.promises`` prints it.
"""

from __future__ import annotations

from typing import Final

from tests.faults.promises import Form
from tests.faults.rows import COLUMNS, ROWS, anchor, cases_of, weakest, within_s

_SHORT: Final = {Form.ONCE: "1", Form.AT_LEAST: "1+", Form.AROUND: "around"}
LEGEND: Final = (
    "`1`: exactly once. `1+`: at least once. `around`: exactly once, but for effects that were committed in the moment "
    "which Redis has forgotten: of those some are missing and some are there twice."
)


def table() -> str:
    """The table, as Markdown; each row links to its cases."""
    names = list(COLUMNS.values())
    lines = [
        f"| what happens | {' | '.join(names)} | goes on within | cases |",
        f"|---|{':-:|' * len(names)}--:|--:|",
    ]
    for title in ROWS:
        cases = cases_of(title)
        cells = " | ".join(_SHORT[weakest(cases, column)] for column in COLUMNS)
        link = f"[{len(cases)}](docs/faults.md#{anchor(title)})"
        lines.append(f"| {title} | {cells} | {within_s(cases):g} s | {link} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
