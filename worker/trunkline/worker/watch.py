"""What a worker does for entries with marks: gives them a `WatchedJob`, and tells it of its commit.

A worker that watches nothing has none of this, and takes such entries as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from trunkline.protocol.layer import WorkerLayer
from trunkline.protocol.marks import marks_of
from trunkline.protocol.messages import Delivery, Entry, Outcome

from .intake import Intake
from .job import Job
from .watched_job import WatchedJob

if TYPE_CHECKING:
    from trunkline.protocol.process.spans import Tracing


class Watch:
    """Knows the watched jobs whose outcomes are on their way to be committed.

    Args:
        worker: id of this worker.
        tracing: makes spans; None for no traces.
    """

    __slots__ = ("_finished", "tracing", "worker")

    def __init__(self, worker: str, tracing: Tracing | None) -> None:
        self.worker = worker
        self.tracing = tracing
        self._finished: dict[tuple[str, str], WatchedJob] = {}

    def finished(self, job: WatchedJob) -> None:
        """Its outcome is made."""
        self._finished[job.delivery[:2]] = job

    def take(self, outcomes: Sequence[Outcome]) -> list[WatchedJob]:
        """The jobs whose outcomes are among these."""
        if not self._finished:
            return []
        found = (self._finished.pop(outcome.delivery[:2], None) for outcome in outcomes)
        return [job for job in found if job is not None]

    def again(self, jobs: Sequence[WatchedJob]) -> None:
        """Their commit did not happen, and is tried once more."""
        for job in jobs:
            self.finished(job)


class WatchedIntake(Intake):
    """An intake.

    Args:
        watch: watches the jobs.
        args: as `Intake`.
    """

    __slots__ = ("_watch",)

    def __init__(self, watch: Watch, *args: Any) -> None:
        super().__init__(*args)
        self._watch = watch

    def condemned(self, job: Job, reason: str, error: BaseException) -> Outcome:
        """See `Intake.condemned`."""
        outcome = super().condemned(job, reason, error)
        if isinstance(job, WatchedJob):
            job.condemned(error, reason)
        return outcome

    def _made(self, delivery: Delivery, entry: Entry) -> Job:
        marks = marks_of(entry)
        if marks is None:
            return super()._made(delivery, entry)
        job = WatchedJob.of(delivery, entry, self._routing, self._flusher)
        job.watch(marks, self._watch.worker, self._watch.tracing, self._watch.finished)
        return job


class WatchedCommits:
    """Commits, and tells the watched jobs; keeps `committer.Commits`.

    Args:
        layer: commits.
        watch: knows the jobs.
    """

    __slots__ = ("_layer", "_watch")

    def __init__(self, layer: WorkerLayer, watch: Watch) -> None:
        self._layer = layer
        self._watch = watch

    def commit(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """See `WorkerLayer.commit`."""
        jobs = self._watch.take(outcomes)
        self._layer.commit(outcomes, partial(_committed, jobs, perf_counter(), done) if jobs else done)

    def commit_now(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """See `WorkerLayer.commit_now`."""
        jobs = self._watch.take(outcomes)
        try:
            self._layer.commit_now(
                outcomes, partial(_committed, jobs, perf_counter(), done) if jobs else done
            )
        except BaseException:
            self._watch.again(jobs)
            raise


def _committed(jobs: list[WatchedJob], began_s: float, done: Callable[[int], None], counted: int) -> None:
    for job in jobs:
        job.committed(began_s)
    done(counted)
