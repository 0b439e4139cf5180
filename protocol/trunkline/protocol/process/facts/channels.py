"""Channels: how much waits in them, and how long entries waited that workers took. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ...messages import ChannelStats
from ...names import ChannelName
from ...tracks import TRACKED, split_track
from .processes import ProcessFacts
from .samples import merged, quantile


@dataclass(frozen=True)
class ChannelFacts:
    """One channel.

    Attributes:
        channel: its name.
        waiting: entries that no worker was given.
        in_work: entries that workers hold.
        oldest_s: age of the oldest entry, held or not.
        wait_s: age of the oldest entry that no worker was given; None if nobody knows (nobody ever served it).
        growth_per_s: by how much ``waiting`` rose a second; 0 at a first look.
        handled_per_s: messages handled.
        taken_wait_s: how long those entries had waited on average that were taken between the two looks; None if none.
        taken_p99_s: the same for 99 of 100.
        served_by: workers that say they read it; None if no worker tells.
        wait_shard: where its oldest entry waits, of several shards.
        fullest: entries, waiting or in work, on the shard that holds most of them.
        fullest_shard: which that is, of several.
    """

    channel: str
    waiting: int
    in_work: int
    oldest_s: float = 0.0
    wait_s: float | None = None
    growth_per_s: float = 0.0
    handled_per_s: float = 0.0
    taken_wait_s: float | None = None
    taken_p99_s: float | None = None
    served_by: int | None = None
    wait_shard: int | None = None
    fullest: int = 0
    fullest_shard: int | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def channels_of(
    stats: Iterable[ChannelStats],
    waits_s: Mapping[str, float],
    processes: Iterable[ProcessFacts],
    before: Mapping[str, int],
    span_s: float,
) -> list[ChannelFacts]:
    """The channels.

    Args:
        stats: what Redis says.
        waits_s: age of the oldest entry of each that nobody was given.
        processes: of the cluster.
        before: entries that waited at the look before, empty at a first one.
        span_s: seconds since.
    """
    workers = [process for process in processes if process.role == "worker"]
    return [_channel(item, waits_s.get(item.channel), workers, before, span_s) for item in stats]


def placed(
    channels: Iterable[ChannelFacts],
    shards: Mapping[int, Sequence[ChannelStats]],
    waits_on: Mapping[str, int],
) -> list[ChannelFacts]:
    """The channels of several shards, with the shard that each is about most.

    Args:
        channels: of all shards together.
        shards: what each shard says.
        waits_on: where the oldest entry of each waits.
    """
    fullest: dict[str, tuple[int, int]] = {}
    for shard, stats in shards.items():
        for item in stats:
            fullest[item.channel] = max(fullest.get(item.channel, (-1, 0)), (item.length, -shard))
    return [
        replace(
            channel,
            wait_shard=waits_on.get(channel.channel),
            fullest=fullest[channel.channel][0],
            fullest_shard=-fullest[channel.channel][1],
        )
        for channel in channels
    ]


def _channel(
    stats: ChannelStats,
    wait_s: float | None,
    workers: Sequence[ProcessFacts],
    before: Mapping[str, int],
    span_s: float,
) -> ChannelFacts:
    name = stats.channel
    waiting = max(0, stats.length - stats.pending)
    growths = [worker.growth for worker in workers]
    taken = sum(growth.of("trunkline_queue_wait_seconds_count", channel=name) for growth in growths)
    waited_s = sum(growth.of("trunkline_queue_wait_seconds_sum", channel=name) for growth in growths)
    buckets = merged(growth.buckets("trunkline_queue_wait_seconds", channel=name) for growth in growths)
    known = name in before and span_s > 0
    return ChannelFacts(
        channel=name,
        waiting=waiting,
        in_work=stats.pending,
        oldest_s=stats.oldest_s,
        wait_s=wait_s,
        growth_per_s=(waiting - before[name]) / span_s if known else 0.0,
        handled_per_s=sum(growth.per_s("trunkline_messages_total", channel=name) for growth in growths),
        taken_wait_s=waited_s / taken if taken else None,
        taken_p99_s=quantile(buckets, 0.99),
        served_by=_served_by(name, workers),
        fullest=stats.length,
    )


def _served_by(name: str, workers: Sequence[ProcessFacts]) -> int | None:
    channel, track = split_track(ChannelName(name))
    readers = workers
    if channel in TRACKED:
        readers = [worker for worker in workers if worker.lease.track == track]
        # The main track's workers read what is for a track without workers.
        readers = readers or [worker for worker in workers if not worker.lease.track]
    if any("trunkline_worker_serves" not in worker.now.names for worker in readers):
        # One that does not answer, or of an older version, may serve it.
        return None
    return sum(1 for worker in readers if worker.now.value("trunkline_worker_serves", channel=channel))
