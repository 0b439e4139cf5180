"""What a soak prints: a line each minute, a table in the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.faults.soak.books import Books
from tests.faults.soak.memory import Growth

_MIB = 1024 * 1024
FAULT_KINDS = (
    "lost",
    "doubled",
    "reordered",
    "invented",
    "session",
    "disconnect",
    "late",
    "stuck",
    "handshake",
    "closed",
    "exit",
    "complaint",
    "left behind",
    "memory",
)
"""In the order of the table; each is shown, also with 0."""


class Minute(NamedTuple):
    """How things stand.

    Attributes:
        at_s: seconds since the begin.
        open: connections in the books.
        struck: faults injected.
        waits_s: how long each reply since the last line took, sorted.
    """

    at_s: float
    open: int
    struck: int
    waits_s: Sequence[float]


def line(minute: Minute, books: Books) -> str:
    """The line of a minute."""
    waits = minute.waits_s
    middle = f"{waits[len(waits) // 2] * 1000:.0f} ms, longest {waits[-1]:.1f} s" if waits else "none"
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(books.counts.items())) or "no fault"
    return (
        f"{minute.at_s / 60:5.1f} min  {minute.struck} faults injected, {minute.open} connections in the books, "
        f"{books.totals['frames']} frames, replies in {middle}: {faults}"
    )


def table(
    books: Books,
    struck: Mapping[str, int],
    endings: Mapping[str, Mapping[str, int]],
    growths: Sequence[Growth],
) -> str:
    """The table of the end.

    Args:
        books: all that was found.
        struck: faults injected, by kind.
        endings: of connections, by who ended them and how.
        growths: of memory.
    """
    lines = ["", "what was done", *_counts(struck)]
    lines += ["", "what was in order", *_counts(books.totals)]
    for who, how in endings.items():
        lines += ["", who, *_counts(how)]
    lines += ["", "memory behind the warm-up"]
    lines += [_memory(one) for one in growths] or ["  no process was old enough"]
    lines += ["", "what was wrong", *_counts({kind: books.counts[kind] for kind in FAULT_KINDS})]
    lines += ["", *books.faults] if books.faults else []
    return "\n".join(lines)


def _memory(one: Growth) -> str:
    course = " ".join(f"{part / _MIB:.1f}" for part in one.course_bytes)
    verdict = "flat" if one.flat else "GROWS"
    return (
        f"  {one.name:<24} {one.median_bytes / _MIB:8.1f} MiB  {one.grown_bytes / _MIB:+7.2f} MiB in {one.samples} "
        f"samples ({course})  {verdict}"
    )


def _counts(counts: Mapping[str, int]) -> list[str]:
    return [f"  {name:<24} {count:>8}" for name, count in counts.items()] or ["  nothing"]
