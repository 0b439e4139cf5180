"""Jobs of entries that no layer has delivered, for tests of what a job is made of."""

from __future__ import annotations

from trunkline.protocol.messages import Delivery, Effect, Entry
from trunkline.worker.effect_log import EffectLog
from trunkline.worker.job import Job
from trunkline.worker.routing import Routing


class NoFlusher:
    """For jobs that send nothing before their end."""

    async def flush(self, delivery: Delivery, effects: list[Effect]) -> None:
        raise AssertionError("nothing is to be flushed")

    def flush_soon(self, delivery: Delivery, outbox: EffectLog) -> None:
        raise AssertionError("nothing is to be flushed")


def job_of(entry: Entry, attempt: int = 1) -> Job:
    """The job of an entry that no route takes, delivered as ``7-1``."""
    delivery = Delivery(entry.channel, "7-1", b"", attempt, 0.0)
    return Job.of(delivery, entry, Routing([]), NoFlusher())
