"""Numbers and tables as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from .figures import Spread

FRACTION: Final = 0.25
"""Ratios up to here are said as fractions, bounds and what was measured alike."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def bullets(lines: Sequence[str], otherwise: str = "None.") -> str:
    """A Markdown list.

    Args:
        lines: its items.
        otherwise: what stands there if there are none.
    """
    return "\n".join(f"- {line}" for line in lines) or otherwise


def number(value: float) -> str:
    """Three figures, as far as that makes sense."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 or not value else f"{value:.2g}"


def fraction(value: float) -> str:
    """A ratio above 0 as one part of so many."""
    parts = 1 / value
    return f"1/{parts:,.0f}" if parts >= 100 else f"1/{parts:.3g}"


def ratio(value: float) -> str:
    """A ratio; one far below 1 as a fraction, which is what it is said as."""
    return fraction(value) if 0 < value <= FRACTION else f"{number(value)}x"


def ranged(values: Spread | None, show: Callable[[float], str] = number) -> str:
    """Median and range."""
    if values is None:
        return "void"
    return f"{show(values.median)} ({show(values.low)} to {show(values.high)})"
