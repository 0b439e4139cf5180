"""A process of the cluster: its lease, and what two looks at its metrics tell. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ...messages import LeaseInfo
from .samples import Growth, Samples

MESSAGES = {
    "interface": ("trunkline_messages_in_total", "trunkline_messages_out_total"),
    "worker": ("trunkline_messages_total",),
}
"""The counters whose growth is a role's messages a second."""


@dataclass(frozen=True)
class ProcessFacts:
    """One process.

    Attributes:
        lease: what it said of itself when it took its lease.
        lease_left_s: seconds until its lease ends unless it is renewed, by Redis' clock; below 0 it is a suspect
            already; None if nobody knows.
        error: why it does not answer, empty if it does.
        now: its metrics, empty if it does not answer.
        before: an earlier look at them; None if there was none, and rates are those since its start.
        span_s: seconds between the two looks, or since its start.
        took_s: seconds that the answer to the last look took.
        clock_off_s: its clock less that of whoever gathers; None if it does not tell.
        lacks: shards that answer and on which it holds no lease.
    """

    lease: LeaseInfo
    lease_left_s: float | None = None
    error: str = ""
    now: Samples = field(default_factory=Samples)
    before: Samples | None = None
    span_s: float = 0.0
    took_s: float = 0.0
    clock_off_s: float | None = None
    lacks: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """Interface or worker id."""
        return self.lease.id

    @property
    def role(self) -> str:
        """``interface`` or ``worker``."""
        return self.lease.role

    @property
    def answers(self) -> bool:
        """Whether it told its metrics."""
        return not self.error

    @property
    def cut_off(self) -> list[int]:
        """The shards that say nothing to it, as it says itself; the only one is shard 0."""
        shards = [int(labels["shard"]) for labels, up in self.now.of("trunkline_shard_up") if not up]
        return sorted(shards) or ([0] if self.now.value("trunkline_redis_up") == 0 else [])

    @cached_property
    def growth(self) -> Growth:
        """What grew between the two looks."""
        return Growth(self.now, self.before, self.span_s)

    @property
    def connections(self) -> int:
        """Open WebSockets of an interface server."""
        return int(self.now.total("trunkline_connections"))

    @property
    def slots(self) -> float:
        """How many handlers a worker runs at the same time at most; of each kind, so the larger number."""
        return max((value for _, value in self.now.of("trunkline_worker_slots")), default=1.0)

    @property
    def busy(self) -> float:
        """How many slots of a worker were busy on average between the two looks: seconds of handlers a second."""
        return self.growth.per_s("trunkline_handler_seconds_sum")

    @property
    def saturation(self) -> float:
        """Share of what the process can do that it did, 0 to about 1: its CPU (one core), or its busiest kind of slots,
        whichever is more."""
        shares = [self.cpu]
        for labels, slots in self.now.of("trunkline_worker_slots"):
            kind = labels.get("kind", "")
            if slots > 0:
                shares.append(self.growth.per_s("trunkline_worker_slot_seconds_total", kind=kind) / slots)
        return max(shares)

    @property
    def messages_per_s(self) -> float:
        """Frames in and out of an interface server; messages handled by a worker."""
        return sum(self.growth.per_s(name) for name in MESSAGES.get(self.role, ()))

    @property
    def cpu(self) -> float:
        """Cores that it used."""
        return self.growth.per_s("process_cpu_seconds_total")

    @property
    def memory_bytes(self) -> float:
        """Resident memory."""
        return self.now.total("process_resident_memory_bytes")

    @property
    def loop_lag_s(self) -> float:
        """By how much its event loop was late at worst within the last seconds."""
        return self.now.total("trunkline_loop_lag_seconds")

    @property
    def lag_s(self) -> float:
        """How far it is behind: its event loop, or the mailbox of an interface server."""
        return max(self.loop_lag_s, self.now.total("trunkline_mailbox_lag_seconds"))

    def as_json(self) -> dict[str, Any]:
        """For programs and the dashboard page; the same keys for both roles."""
        return {
            "id": self.id,
            "role": self.role,
            "host": self.lease.host,
            "pid": self.lease.pid,
            "admin": self.lease.admin,
            "version": self.lease.version,
            "code_version": self.lease.code,
            "track": self.lease.track,
            "detail": self.lease.detail,
            "started_s": self.lease.started_s,
            "lease_left_s": self.lease_left_s,
            "lacks_shards": list(self.lacks),
            "error": self.error,
            "connections": self.connections,
            "slots": self.slots,
            "busy": self.busy,
            "saturation": self.saturation,
            "messages_per_s": self.messages_per_s,
            "cpu_cores": self.cpu,
            "memory_bytes": self.memory_bytes,
            "lag_s": self.lag_s,
            "clock_off_s": self.clock_off_s,
        }
