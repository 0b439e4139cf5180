"""The plot: bars on a logarithmic axis, one group a workload, one bar a system, written as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from .text import number

WIDTH: Final = 960
LEFT: Final = 230
RIGHT: Final = 70
BAR: Final = 14
GAP: Final = 26
TOP: Final = 40
BOTTOM: Final = 34
OURS_COLOUR: Final = "#0b6e4f"
OTHER_COLOURS: Final = (
    "#8d99ae",
    "#b08968",
    "#6d597a",
    "#4a7fb5",
    "#c77d4f",
    "#7f9172",
    "#a23b52",
    "#5b8e8e",
)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar.

    Attributes:
        label: name of the system.
        value: above zero.
    """

    label: str
    value: float


@dataclass(frozen=True, slots=True)
class Group:
    """Bars that are compared with each other.

    Attributes:
        title: what they have in common.
        bars: from top to bottom.
    """

    title: str
    bars: Sequence[Bar]


def svg(title: str, groups: Sequence[Group], ours: str) -> str:
    """The plot.

    Args:
        title: stands above it.
        groups: at least one, each with at least one bar.
        ours: label of the bars to stand out.
    """
    values = [bar.value for group in groups for bar in group.bars]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(value) - low) / (high - low)

    colours = _colours(groups, ours)
    body: list[str] = []
    y = TOP
    for group in groups:
        y += GAP
        body.append(_text(8, y - 6, group.title, "font-weight='bold'"))
        for bar in group.bars:
            end = max(x(bar.value), LEFT + 1)
            body.append(
                f"<rect x='{LEFT}' y='{y}' width='{end - LEFT:.1f}' height='{BAR - 2}' "
                f"fill='{colours[bar.label]}'/>"
            )
            body.append(_text(LEFT - 6, y + BAR - 4, bar.label, "text-anchor='end'"))
            body.append(_text(end + 4, y + BAR - 4, number(bar.value), ""))
            y += BAR
    height = y + BOTTOM
    axis = _axis(low, high, y + 6, x)
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' "
            f"viewBox='0 0 {WIDTH} {height}' font-family='sans-serif' font-size='11'>",
            f"<rect width='{WIDTH}' height='{height}' fill='white'/>",
            _text(8, 22, title, "font-size='15' font-weight='bold'"),
            *axis,
            *body,
            "</svg>",
            "",
        ]
    )


def _colours(groups: Sequence[Group], ours: str) -> dict[str, str]:
    """A colour of its own for each system, the same in every group."""
    labels = dict.fromkeys(bar.label for group in groups for bar in group.bars if bar.label != ours)
    others = {label: OTHER_COLOURS[index % len(OTHER_COLOURS)] for index, label in enumerate(labels)}
    return {ours: OURS_COLOUR, **others}


def _axis(low: int, high: int, bottom: float, x: Callable[[float], float]) -> list[str]:
    """A line and a number at each power of ten."""
    lines = []
    for power in range(low, high + 1):
        at = x(10.0**power)
        lines.append(f"<line x1='{at:.1f}' y1='{TOP}' x2='{at:.1f}' y2='{bottom}' stroke='#dddddd'/>")
        lines.append(_text(at, bottom + 14, f"{10.0**power:,g}", "text-anchor='middle' fill='#555555'"))
    return lines


def _text(x: float, y: float, words: str, attributes: str) -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {attributes}>{escape(words)}</text>"
