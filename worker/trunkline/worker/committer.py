"""The committer: gathers the outcomes of a slice and hands them to the layer in one commit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Final, Protocol

from trunkline.protocol.messages import Outcome
from trunkline.protocol.sharding.parts import by_shard

from .metrics import WorkerMetrics
from .underway import Underway

UNCOMMITTED_LIMIT: Final = 4000
"""Outcomes without an answer before no more entries are read: Redis is slow or away."""
COMMIT_ENTRIES: Final = 500
"""Entries in one commit at most: `unpack` in Lua has room for a few thousand values."""


class Commits(Protocol):
    """As much of a `trunkline.protocol.layer.WorkerLayer` as committing takes."""

    def commit(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """See `WorkerLayer.commit`."""

    def commit_now(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """See `WorkerLayer.commit_now`."""


class Committer:
    """Commits outcomes.

    Args:
        layer: where they go.
        metrics: counts them.
        on_answer: called after each answered commit.
        away: the shards that do not answer now; looked at, never changed.
        shards: how many there are.

    Attributes:
        add: keeps an outcome for the next `flush`.
    """

    __slots__ = ("_layer", "_metrics", "_on_answer", "_outcomes", "_rescued", "_shards", "_unanswered", "add")

    def __init__(
        self,
        layer: Commits,
        metrics: WorkerMetrics,
        on_answer: Callable[[], None],
        away: set[int] | None = None,
        shards: int = 1,
    ) -> None:
        self._layer = layer
        self._metrics = metrics
        self._on_answer = on_answer
        self._outcomes: deque[Outcome] = deque()  # the watchdog takes from it as well
        self.add: Callable[[Outcome], None] = self._outcomes.append
        self._shards = shards
        self._unanswered = Underway(away if away is not None else set())
        self._rescued: dict[object, int] = {}  # how many outcomes each unanswered `rescue` has taken

    @property
    def gathered(self) -> int:
        """Outcomes that wait for a `flush`."""
        return len(self._outcomes)

    @property
    def unanswered(self) -> int:
        """Outcomes whose commit has no answer yet."""
        return self._unanswered.count + sum(self._rescued.values())

    @property
    def pressing(self) -> int:
        """The same, but for what waits for a shard that is away."""
        return self._unanswered.pressing + sum(self._rescued.values())

    @property
    def full(self) -> bool:
        """Whether so much is unanswered that no more should be taken."""
        return self._unanswered.pressing > UNCOMMITTED_LIMIT

    def flush(self) -> None:
        """Commits what was gathered."""
        while self._outcomes and (outcomes := self._take()):
            if self._shards > 1:
                self._commit_by_shard(outcomes)
                continue
            count = len(outcomes)
            self._unanswered.count += count
            self._metrics.commit_entries.observe(count)
            self._layer.commit(outcomes, partial(self._answered, count, perf_counter()))

    def _commit_by_shard(self, outcomes: list[Outcome]) -> None:
        for shard, part in by_shard(outcomes, _shard).items():
            count = len(part)
            self._unanswered.count += count
            self._unanswered.of(shard, count)
            self._metrics.commit_entries.observe(count)
            self._layer.commit(part, partial(self._answered_by, shard, count, perf_counter()))

    def rescue(self) -> int:
        """Commits what was gathered, while a handler holds the event loop. For the watchdog's thread; blocks it.

        Returns:
            How many outcomes there were.

        Raises:
            LayerUnavailable: Redis does not answer; they are gathered again.
        """
        token, began_s = object(), perf_counter()
        # Counted before they are taken: a drain that looks in between must see them here or there.
        self._rescued[token] = len(self._outcomes)
        outcomes = self._take()
        self._rescued[token] = count = len(outcomes)
        if not outcomes:
            del self._rescued[token]
            return 0

        def committed(counted: int) -> None:
            del self._rescued[token]
            self._unanswered.count += count  # as those whose commit began here
            self._metrics.commit_entries.observe(count)
            self._answered(count, began_s, counted)

        try:
            self._layer.commit_now(outcomes, committed)
        except Exception:
            self._outcomes.extend(outcomes)
            del self._rescued[token]
            raise
        return count

    def _take(self) -> list[Outcome]:
        """The outcomes of one commit. One by one, because the other thread takes them as well."""
        taken: list[Outcome] = []
        try:
            while len(taken) < COMMIT_ENTRIES:
                taken.append(self._outcomes.popleft())
        except IndexError:
            pass  # no more
        return taken

    def _answered_by(self, shard: int, count: int, began_s: float, counted: int) -> None:
        self._unanswered.of(shard, -count)
        self._answered(count, began_s, counted)

    def _answered(self, count: int, began_s: float, counted: int) -> None:
        self._unanswered.count -= count
        metrics = self._metrics
        metrics.commit_seconds.observe(perf_counter() - began_s)
        metrics.effects_dropped.value += count - counted
        self._on_answer()


def _shard(outcome: Outcome) -> int:
    return outcome.delivery.shard
