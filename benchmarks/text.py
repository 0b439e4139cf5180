"""Numbers and tables as text."""

from __future__ import annotations

from collections.abc import Sequence

from .figures import Spread


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


def ranged(values: Spread | None, unit: str = "", otherwise: str = "void") -> str:
    """Median and range."""
    if values is None:
        return otherwise
    return f"{number(values.median)}{unit} ({number(values.low)} to {number(values.high)})"
