"""Facts: a running cluster at one moment, all of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .channels import ChannelFacts
from .hot import HotGroup
from .machine import MachineFacts
from .processes import ProcessFacts
from .routes import RouteFacts
from .servers import ServerFacts

SCHEMA = 1
"""Of `Facts.as_json`. It rises when a field changes its meaning or goes, not when one comes."""


@dataclass(frozen=True)
class Facts:
    """What is known of a cluster.

    Attributes:
        at_s: Unix time of the look.
        span_s: seconds over which rates are measured; 0 at a first look, when rates are those since the starts.
        unavailable: why Redis does not answer, empty if it does. Then nothing else is known but what the machine is.
        servers: its Redises, of those that answer.
        away: shards that do not answer, each with the reason; nothing of theirs is in the other figures.
        processes: every process with a lease, interface servers first.
        channels: every channel.
        routes: every route that was called, the slowest first.
        mailboxes: interface id to the entries in its mailbox, on the shard where they are most.
        mailboxes_on: of several shards, interface id to that shard.
        dead_letters: how many are kept.
        dead_letters_per_s: by how much that rose a second.
        dead_letters_trimmed: how many made room for newer ones, ever.
        delayed: messages that wait for their time.
        hot_group: the group that most of what was posted lately was for; only after a deep look.
        machine: settings of the machine that gathered this.
    """

    at_s: float
    span_s: float = 0.0
    unavailable: str = ""
    servers: tuple[ServerFacts, ...] = ()
    away: Mapping[int, str] = field(default_factory=dict)
    processes: tuple[ProcessFacts, ...] = ()
    channels: tuple[ChannelFacts, ...] = ()
    routes: tuple[RouteFacts, ...] = ()
    mailboxes: Mapping[str, int] = field(default_factory=dict)
    mailboxes_on: Mapping[str, int] = field(default_factory=dict)
    dead_letters: int = 0
    dead_letters_per_s: float = 0.0
    dead_letters_trimmed: int = 0
    delayed: int = 0
    hot_group: HotGroup | None = None
    machine: MachineFacts = field(default_factory=MachineFacts)

    @property
    def interfaces(self) -> list[ProcessFacts]:
        """The interface servers."""
        return [process for process in self.processes if process.role == "interface"]

    @property
    def workers(self) -> list[ProcessFacts]:
        """The workers."""
        return [process for process in self.processes if process.role == "worker"]

    @property
    def connections(self) -> int:
        """Open WebSockets, of all that answer."""
        return sum(process.connections for process in self.interfaces)

    def per_s(self, name: str) -> float:
        """How often something was counted a second, over all processes.

        Args:
            name: of a counter's sample, as in ``trunkline_messages_in_total``.
        """
        return sum(process.growth.per_s(name) for process in self.processes)

    def rates(self) -> dict[str, float]:
        """What goes through the cluster a second."""
        return {
            "frames_in": self.per_s("trunkline_messages_in_total"),
            "frames_out": self.per_s("trunkline_messages_out_total"),
            "bytes_in": self.per_s("trunkline_bytes_in_total"),
            "bytes_out": self.per_s("trunkline_bytes_out_total"),
            "events": self.per_s("trunkline_messages_total"),
            "commits": self.per_s("trunkline_commit_seconds_count"),
            "handshakes": self.per_s("trunkline_handshakes_total"),
            "refused": self.per_s("trunkline_turned_away_total"),
        }

    def as_json(self) -> dict[str, Any]:
        """For programs and the dashboard page."""
        return {
            "schema": SCHEMA,
            "at_s": self.at_s,
            "span_s": self.span_s,
            "unavailable": self.unavailable,
            "connections": self.connections,
            "rates": self.rates(),
            "away": [{"shard": shard, "why": why} for shard, why in sorted(self.away.items())],
            "servers": [server.as_json() for server in self.servers],
            "processes": [process.as_json() for process in self.processes],
            "channels": [channel.as_json() for channel in self.channels],
            "routes": [route.as_json() for route in self.routes],
            "mailboxes": dict(self.mailboxes),
            "dead_letters": self.dead_letters,
            "dead_letters_per_s": self.dead_letters_per_s,
            "dead_letters_trimmed": self.dead_letters_trimmed,
            "delayed": self.delayed,
            "hot_group": self.hot_group.as_json() if self.hot_group is not None else None,
        }


@dataclass(frozen=True)
class Inspected:
    """What a layer tells of the cluster besides `ClusterStats`.

    Attributes:
        servers: its Redises, of those that answer.
        waits_s: channel to the age of the oldest entry that no worker was given.
        posted: the last entries of the mailboxes; only after a deep look.
        waits_on: of several shards, channel to the one where its oldest entry waits.
        away: shards that do not answer, each with the reason.
    """

    servers: tuple[ServerFacts, ...]
    waits_s: Mapping[str, float] = field(default_factory=dict)
    posted: tuple[bytes, ...] = ()
    waits_on: Mapping[str, int] = field(default_factory=dict)
    away: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, told: Mapping[int, Inspected], away: Mapping[int, str]) -> Inspected:
        """What several Redises of one cluster tell, as one: a channel's entries wait as long as the oldest of any.

        Args:
            told: shard to what it tells.
            away: shards that do not answer, each with the reason.
        """
        waits_s: dict[str, float] = {}
        waits_on: dict[str, int] = {}
        for shard, part in told.items():
            for channel, wait_s in part.waits_s.items():
                if wait_s > waits_s.get(channel, -1.0):
                    waits_s[channel], waits_on[channel] = wait_s, shard
        return cls(
            tuple(replace(server, shard=shard) for shard, part in told.items() for server in part.servers),
            waits_s,
            tuple(entry for part in told.values() for entry in part.posted),
            waits_on,
            away,
        )
