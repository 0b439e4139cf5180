"""The table of promises in the design and the README, made from the cases of the fault suite: no cell without a test.

``python -m tests.docs.promises`` prints it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tests.faults.cases import CASES, Case
from tests.faults.promises import Column, Form

COLUMNS: Final[dict[Column, str]] = {
    "events": "inbound events",
    "replies": "replies",
    "groups": "group sends",
    "sessions": "session writes",
    "disconnects": "disconnect",
    "background": "background channels",
}
_SHORT: Final = {Form.ONCE: "1", Form.AT_LEAST: "1+", Form.AROUND: "around"}
LEGEND: Final = (
    "`1`: exactly once. `1+`: at least once. `around`: exactly once, but for effects that were committed in the moment "
    "which Redis has forgotten: of those some are missing and some are there twice."
)

ROWS: Final[dict[str, str]] = {
    "a worker is killed": r"worker SIGKILL (?!.*early)",
    "a worker is stopped for longer than its lease and wakes up": r"worker SIGSTOP (?!.*early)",
    "a worker is cut off from Redis for longer than its lease": r"worker partition (?!.*early)",
    "a worker is stopped in order": r"worker SIGTERM",
    "a worker's connections are reset": r"worker reset",
    "a worker dies, sleeps or is cut off behind `flush`": r"worker (SIGKILL|SIGSTOP|partition) .*early",
    "an interface server is killed": r"interface SIGKILL",
    "an interface server is stopped for longer than its lease": r"interface SIGSTOP",
    "an interface server is cut off for longer than its lease": r"interface partition",
    "an interface server is stopped in order": r"interface SIGTERM",
    "an interface server's connections to Redis are reset": r"interface reset",
    "who takes over or cleans up is killed meanwhile": r"reaper ",
    "Redis is killed and starts again from its append-only file": r"redis SIGKILL",
    "Redis stands still": r"redis SIGSTOP",
    "Redis has no memory or no disk left": r"redis (reaches maxmemory|has a full disk)",
    "a stream or a consumer group is deleted by hand": r"redis (XGROUP DESTROY|DEL of)",
    "Redis forgets its scripts": r"redis SCRIPT FLUSH",
    "Redis forgets everything": r"redis FLUSHALL",
    "Redis forgets the last writes (a lagging replica, the end of a file)": r"redis (loses|replaced)",
    "a process's clock jumps an hour": r".* clock jumps",
    "handlers take as long as a lease, and their worker dies": r".*handlers of a lease's length",
}
"""What happens, in people's words, and which cases show it."""


def cases_of(pattern: str) -> list[Case]:
    """The cases of one row."""
    return [case for case in CASES if re.match(pattern, case.name)]


def _weakest(cases: Sequence[Case], column: Column) -> str:
    order = list(Form)
    return _SHORT[max((case.promises.of(column) for case in cases), key=order.index)]


def table() -> str:
    """The table, as Markdown."""
    names = list(COLUMNS.values())
    lines = [
        f"| what happens | {' | '.join(names)} | goes on within | cases |",
        f"|---|{':-:|' * len(names)}--:|--:|",
    ]
    for title, pattern in ROWS.items():
        cases = cases_of(pattern)
        cells = " | ".join(_weakest(cases, column) for column in COLUMNS)
        bound_s = max(case.within_s for case in cases)
        lines.append(f"| {title} | {cells} | {bound_s:g} s | [{len(cases)}](docs/faults.md) |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
