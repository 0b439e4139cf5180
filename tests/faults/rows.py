"""The rows of the table of promises: what happens, in people's words, and which cases show it."""

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
"""Of the table, in people's words."""

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
    "all workers of a track are killed": r"track ",
    "Redis is killed and starts again from its append-only file (`appendfsync always`)": (
        r"redis SIGKILL (?!with everysec)"
    ),
    "Redis stands still": r"redis SIGSTOP",
    "Redis has no memory or no disk left": r"redis (reaches maxmemory|has a full disk)",
    "a stream or a consumer group is deleted by hand": r"redis (XGROUP DESTROY|DEL of)",
    "Redis forgets its scripts": r"redis SCRIPT FLUSH",
    "Redis forgets everything": r"redis FLUSHALL",
    "Redis forgets the last writes (a lagging replica, the end of a file, killed during an fsync of `everysec`)": (
        r"redis (loses|replaced|SIGKILL with everysec)"
    ),
    "a process's clock jumps an hour": r".* clock jumps",
    "handlers take as long as a lease, and their worker dies": r".*handlers of a lease's length",
}
"""What happens, and the names of the cases that show it: each is of one row."""


def cases_of(title: str) -> list[Case]:
    """The cases of one row."""
    return [case for case in CASES if re.match(ROWS[title], case.name)]


def row_of(case: str) -> str | None:
    """The row in which a case stands, by its name; None for a pair at random."""
    known = {known.name for known in CASES}
    return next((title for title, found in ROWS.items() if case in known and re.match(found, case)), None)


def weakest(cases: Sequence[Case], column: Column) -> Form:
    """What holds in all of them."""
    order = list(Form)
    return max((case.promises.of(column) for case in cases), key=order.index)


def within_s(cases: Sequence[Case]) -> float:
    """In which time each of them goes on."""
    return max(case.within_s for case in cases)


def anchor(heading: str) -> str:
    """What links to a heading, as the hosts of repositories make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
