"""The committer: gathers the outcomes of a slice and hands them to the layer in one commit."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from trunkline.protocol.layer import WorkerLayer
from trunkline.protocol.messages import Outcome

from .metrics import WorkerMetrics

UNCOMMITTED_LIMIT = 4000
"""Outcomes without an answer before no more entries are read: Redis is slow or away."""
COMMIT_ENTRIES = 500
"""Entries in one commit at most: `unpack` in Lua has room for a few thousand values."""


class Committer:
    """Commits outcomes.

    Args:
        layer: where they go.
        metrics: counts them.
        on_answer: called after each answered commit.
    """

    __slots__ = ("_layer", "_metrics", "_on_answer", "_outcomes", "_unanswered")

    def __init__(self, layer: WorkerLayer, metrics: WorkerMetrics, on_answer: Callable[[], None]) -> None:
        self._layer = layer
        self._metrics = metrics
        self._on_answer = on_answer
        self._outcomes: list[Outcome] = []
        self._unanswered = 0

    def add(self, outcome: Outcome) -> None:
        """Keeps an outcome for the next `flush`."""
        self._outcomes.append(outcome)

    @property
    def gathered(self) -> int:
        """Outcomes that wait for a `flush`."""
        return len(self._outcomes)

    @property
    def unanswered(self) -> int:
        """Outcomes whose commit has no answer yet."""
        return self._unanswered

    @property
    def full(self) -> bool:
        """Whether so much is unanswered that no more should be taken."""
        return self._unanswered > UNCOMMITTED_LIMIT

    def flush(self) -> None:
        """Commits what was gathered."""
        outcomes, self._outcomes = self._outcomes, []
        for start in range(0, len(outcomes), COMMIT_ENTRIES):
            self._commit(outcomes[start : start + COMMIT_ENTRIES])

    def _commit(self, outcomes: list[Outcome]) -> None:
        count, began_s = len(outcomes), perf_counter()
        self._unanswered += count
        metrics = self._metrics
        metrics.commit_entries.observe(count)

        def committed(counted: int) -> None:
            self._unanswered -= count
            metrics.commit_seconds.observe(perf_counter() - began_s)
            metrics.effects_dropped.value += count - counted
            self._on_answer()

        self._layer.commit(outcomes, committed)
