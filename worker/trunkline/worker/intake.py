"""The intake: makes jobs of what the layer delivers, each with the session its handlers ask for.

Some deliveries never become jobs, because what happens to them is clear without a handler: garbage, poison, and the
trip with which `trunkline up` looks whether messages get through.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from mypy_extensions import mypyc_attr

from trunkline.protocol.codec import decode_entry, encode_release
from trunkline.protocol.errors import CodecError, InvalidName
from trunkline.protocol.frame_reader import FrameReader
from trunkline.protocol.layer import WorkerLayer
from trunkline.protocol.messages import Delivery, Entry, Outcome, Post
from trunkline.protocol.names import RECEIVE, TRIP, ChannelName, ReplyName, WorkerId, shard_of
from trunkline.protocol.process.logs import RateLimited
from trunkline.protocol.sharding.parts import by_shard
from trunkline.protocol.tracks import split_track

from .committer import Committer
from .job import POISON_ATTEMPTS, Flusher, Job
from .letters import PoisonError, garbage
from .metrics import WorkerMetrics
from .outbox import split
from .routing import Routing
from .sessions import HeldSession
from .underway import Underway

log: Final = logging.getLogger(__name__)
rate_limited: Final = RateLimited(log)

_CHANNEL_AND_WAIT: Final = itemgetter(0, 4)  # of a delivery


@mypyc_attr(allow_interpreted_subclasses=True)
class Intake:
    """Takes deliveries.

    Args:
        worker: id of this worker.
        layer: where sessions come from.
        routing: where handlers are found.
        committer: takes the outcomes of what never becomes a job.
        metrics: counts.
        session_max_bytes: how large a session may become.
        flusher: for what handlers want sent before they end.
        ready: is given the jobs of each `take`, all at once when the last of their sessions is there: one that began
            before the others had theirs, and took long, would hold them where nobody can give them back.
        away: the shards that do not answer now; looked at, never changed.
        shards: how many there are.

    Attributes:
        waiting: jobs that wait for sessions.
    """

    __slots__ = (
        "_channels",
        "_committer",
        "_flusher",
        "_frame",
        "_layer",
        "_metrics",
        "_ready",
        "_routing",
        "_session_max_bytes",
        "_shards",
        "_worker",
        "waiting",
    )

    def __init__(
        self,
        worker: WorkerId,
        layer: WorkerLayer,
        routing: Routing,
        committer: Committer,
        metrics: WorkerMetrics,
        session_max_bytes: int,
        flusher: Flusher,
        ready: Callable[[Sequence[Job]], None],
        away: set[int] | None = None,
        shards: int = 1,
    ) -> None:
        self._worker = worker
        self._layer = layer
        self._routing = routing
        self._committer = committer
        self._metrics = metrics
        self._session_max_bytes = session_max_bytes
        self._flusher = flusher
        self._ready = ready
        self._shards = shards
        self._frame = FrameReader().read
        self._channels: dict[ChannelName, ChannelName] = {}  # without their tracks
        self.waiting = Underway(away if away is not None else set())

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Takes one answer of the layer."""
        self._metrics.batch_entries.observe(len(deliveries))
        self._note_waits(deliveries)
        jobs: list[Job] = []
        asking: list[Job] = []
        for delivery in deliveries:
            job = self._job(delivery)
            if job is not None:
                jobs.append(job)
                if job.plan.wants_session and job.session_of is not None:
                    asking.append(job)
        if not asking:
            self._ready(jobs)
        elif self._shards == 1:
            self._ask_sessions(asking, jobs)
        else:
            # Those of one shard come together, but for messages about connections that live elsewhere.
            for shard, part in by_shard(jobs, _shard_to_ask).items():
                self._ask_sessions([job for job in part if job.session_of is not None], part, shard)

    def _note_waits(self, deliveries: Sequence[Delivery]) -> None:
        waits = self._metrics.queue_wait_seconds
        # They come channel by channel, and what was published in one call has waited equally long.
        for (channel, queued_ms), equal in groupby(map(_CHANNEL_AND_WAIT, deliveries)):
            waits.get(channel).observe(queued_ms / 1000, len(list(equal)))

    def condemned(self, job: Job, reason: str, error: BaseException) -> Outcome:
        """The outcome of a job whose messages all become dead letters, whatever it has done so far."""
        fresh = Job.of(job.delivery, job.entry, self._routing, self._flusher)
        fresh.condemn(self._worker, reason, error)
        self._metrics.dead_letters.get(reason).value += len(fresh.plan.matches)
        return fresh.finish()

    def _job(self, delivery: Delivery) -> Job | None:
        kept_in, body, attempt = delivery[0], delivery[2], delivery[3]  # they are more than these three
        channel = self._channels.get(kept_in) or self._channel(kept_in)
        if attempt > 1:
            self._metrics.redeliveries.get(channel).value += 1
        try:
            fields = self._frame(body) if channel == RECEIVE else None
            if fields is not None:
                job = Job(delivery, channel, fields, self._routing, self._flusher)
            else:
                entry = decode_entry(channel, body)
                if channel == TRIP and entry.reply is not None:
                    self._committer.add(self._trip(delivery, entry.reply, entry.seq))
                    return None
                job = self._made(delivery, entry)
        except (CodecError, InvalidName) as error:
            rate_limited.warning("garbage", "garbage on channel=%s id=%s: %s", channel, delivery.id, error)
            self._metrics.dead_letters.get("garbage").value += 1
            self._committer.add(garbage(delivery, error, self._worker, self._routing.code_version))
            return None
        if attempt > POISON_ATTEMPTS:
            deaths = attempt - 1
            log.error(
                "poison %s id=%s deaths=%d workers=%s", job, delivery.id, deaths, ",".join(delivery.died)
            )
            names = f": {', '.join(delivery.died)}" if delivery.died else ""
            unseen = PoisonError(f"{deaths} workers died with this message{names}")
            self._committer.add(self.condemned(job, "poison", unseen))
            return None
        return job

    def _made(self, delivery: Delivery, entry: Entry) -> Job:
        return Job.of(delivery, entry, self._routing, self._flusher)

    def _channel(self, kept_in: ChannelName) -> ChannelName:
        channel = self._channels[kept_in] = split_track(kept_in)[0]
        return channel

    def _trip(self, delivery: Delivery, reply: ReplyName, seq: int) -> Outcome:
        interface, connection = split(reply)
        answer = {"status": 200, "headers": [], "content": self._worker.encode(), "more_content": False}
        return Outcome(delivery, [Post(interface, encode_release(connection, seq, [answer]))])

    def _wait(self, shard: int, change: int) -> None:
        self.waiting.count += change
        if self._shards > 1:
            self.waiting.of(shard, change)

    def _ask_sessions(self, asking: Sequence[Job], jobs: Sequence[Job], shard: int = 0) -> None:
        owners = [job.connection for job in asking]
        connections = list(dict.fromkeys(owners))  # a connection may be told of by messages of others as well
        self._wait(shard, len(jobs))
        self._metrics.sessions_read.value += len(connections)

        def answered(raws: list[bytes]) -> None:
            self._wait(shard, -len(jobs))
            if len(connections) < len(owners):
                read = dict(zip(connections, raws, strict=True))
                raws = [read[owner] for owner in owners]
            limit = self._session_max_bytes
            for job, raw in zip(asking, raws, strict=True):
                job.held = HeldSession(raw, limit, shard == job.delivery.shard)
            self._ready(jobs)

        self._layer.sessions(connections, answered)


def _shard_to_ask(job: Job) -> int:
    return shard_of(job.session_of) if job.session_of is not None else job.delivery.shard
