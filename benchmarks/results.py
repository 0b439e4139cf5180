"""The files that a run writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from .limits import Value
from .outcome import OURS, Outcome
from .peer import Peer
from .plot import Bar, Group, svg
from .report import document, systems
from .tables import title
from .workload import Measure

PLOTTED: Final = frozenset({Measure.MESSAGE, Measure.DELIVERY, Measure.CONNECT})
CAPTION: Final = "CPU of all server processes, Redis included (µs, logarithmic axis)"


class Results:
    """Files with the results so far; written after each workload, since a whole run takes long.

    Args:
        files: to write; the plot goes beside each.
        peers: that are measured.
        missing: name of each other peer to why it cannot run.
        facts: lines about date, machine and how it is run.
    """

    def __init__(
        self,
        files: Sequence[Path],
        peers: Sequence[Peer],
        missing: Mapping[str, str],
        facts: Sequence[str],
    ) -> None:
        self._files = files
        self._systems = systems(peers)
        self._missing = missing
        self._facts = facts

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Writes all files anew.

        Args:
            outcomes: of the workloads that are over.
        """
        drawing = plotted(outcomes)
        for file in self._files:
            beside = file.with_name(f"{file.stem.lower()}.svg")
            if drawing:
                beside.write_text(drawing)
            name = beside.name if drawing else ""
            file.write_text(document(outcomes, self._systems, self._missing, self._facts, name))


def plotted(outcomes: Sequence[Outcome]) -> str:
    """The CPU figures of all workloads in which systems are compared, as SVG; empty if there are none."""
    groups = []
    for outcome in outcomes:
        values = {system: outcome.value(system, Value.FIGURE) for system in outcome.runs}
        bars = [Bar(system, value.median) for system, value in values.items() if value and value.median > 0]
        if len(bars) > 1 and outcome.workload.measure in PLOTTED:
            groups.append(Group(f"{title(outcome)}, {outcome.workload.measure}", bars))
    return svg(CAPTION, groups, OURS) if groups else ""
