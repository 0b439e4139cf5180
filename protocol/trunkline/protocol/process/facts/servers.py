"""A Redis as it describes itself: INFO, configuration, slow commands, clients. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SlowCommand:
    """A command that took long.

    Attributes:
        at_s: Unix time by Redis' clock.
        took_s: seconds.
        words: what was run, shortened.
    """

    at_s: float
    took_s: float
    words: str


@dataclass(frozen=True)
class ServerFacts:
    """One Redis.

    Attributes:
        name: its address, without secrets.
        info: every field of INFO; of a field with parts (``cmdstat_get``, ``db0``) a mapping.
        config: the parameters that matter; empty if CONFIG GET is forbidden.
        slow: its slow log; empty if that is forbidden.
        clients: client name to the most bytes that one of them has waiting in its output buffer.
        at_s: when this was asked, by the monotonic clock of whoever gathers.
        clock_off_s: its clock less that of whoever gathers.
        round_trip_s: of the question that told the clock.
        lacking: commands that a cluster needs and that this user may not run.
        unseen: what could not be asked, each with its reason.
        leases: process id to seconds until the lease ends, below 0 for suspects.
        before: the same Redis at an earlier look.
        local: whether it runs on this machine.
        shard: that it holds, where there are several.
    """

    name: str
    info: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    slow: tuple[SlowCommand, ...] = ()
    clients: Mapping[str, int] = field(default_factory=dict)
    at_s: float = 0.0
    clock_off_s: float = 0.0
    round_trip_s: float = 0.0
    lacking: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    leases: Mapping[str, float] = field(default_factory=dict)
    before: ServerFacts | None = None
    local: bool = False
    shard: int | None = None

    @property
    def where(self) -> str:
        """As people find it: its address, and its shard where there are several. Those of a Redis Cluster have one
        address."""
        return self.name if self.shard is None else f"shard {self.shard}, {self.name}"

    def number(self, name: str) -> float:
        """A field of INFO as a number; 0 if it is missing or none."""
        return _number(self.info.get(name))

    def grown(self, name: str) -> float:
        """By how much a field rose between the two looks; 0 at a first one."""
        return max(0.0, self.number(name) - self.before.number(name)) if self.before is not None else 0.0

    @property
    def span_s(self) -> float:
        """Seconds between the two looks; 0 at a first one."""
        return self.at_s - self.before.at_s if self.before is not None else 0.0

    @property
    def cpu(self) -> float:
        """Cores that its main thread used, the one that runs commands; 0 at a first look."""
        if self.span_s <= 0:
            return 0.0
        names = [f"used_cpu_{kind}_main_thread" for kind in ("user", "sys")]
        if names[0] not in self.info:
            names = ["used_cpu_user", "used_cpu_sys"]
        return sum(self.grown(name) for name in names) / self.span_s

    @property
    def commands_per_s(self) -> float:
        """Commands a second."""
        return self.grown("total_commands_processed") / self.span_s if self.span_s > 0 else 0.0

    def calls(self) -> dict[str, float]:
        """Command to its calls between the two looks."""
        return self._grown_parts("calls")

    def rejected(self) -> dict[str, float]:
        """Command to how often it was refused before it ran, between the two looks."""
        return self._grown_parts("rejected_calls")

    def usec(self) -> dict[str, float]:
        """Command to the microseconds it took in all, between the two looks."""
        return self._grown_parts("usec")

    def _grown_parts(self, part: str) -> dict[str, float]:
        before = self.before.info if self.before is not None else self.info
        found = {}
        for key, value in self.info.items():
            if key.startswith("cmdstat_") and isinstance(value, Mapping):
                earlier = before.get(key)
                then = _number(earlier.get(part)) if isinstance(earlier, Mapping) else 0.0
                grown = _number(value.get(part)) - then
                if grown > 0:
                    found[key.removeprefix("cmdstat_").replace("|", " ").upper()] = grown
        return found

    @property
    def version(self) -> str:
        """Of Redis, or of Valkey, which calls itself a Redis 7.2 besides."""
        valkey = self.info.get("valkey_version")
        return f"Valkey {valkey}" if valkey else f"Redis {self.info.get('redis_version', '?')}"

    def as_json(self) -> dict[str, Any]:
        """For programs: what people look at, not all of INFO."""
        return {
            "name": self.name,
            "shard": self.shard,
            "version": self.version,
            "cpu_cores": self.cpu,
            "commands_per_s": self.commands_per_s,
            "memory_bytes": self.number("used_memory"),
            "maxmemory_bytes": self.number("maxmemory"),
            "clients": self.number("connected_clients"),
            "round_trip_s": self.round_trip_s,
            "clock_off_s": self.clock_off_s,
            "unseen": list(self.unseen),
        }


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
