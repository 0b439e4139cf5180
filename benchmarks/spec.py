"""What the suite tells the generator, and what that reports: one JSON document each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Kind(StrEnum):
    """A kind of load."""

    CLOSED = "closed"
    """Each connection has one message outstanding: the next one goes when the answer is there."""
    PACED = "paced"
    """Messages go at a rate, answered or not (open loop)."""
    FAN_OUT = "fan_out"
    """One connection sends to a group; the next message goes when every member has it."""
    IDLE = "idle"
    """Connections are open, and nothing is sent."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A run.

    Attributes:
        kind: of load.
        host: where the server listens.
        port: its port.
        path: of every connection.
        connections: how many.
        rate: messages a second over all connections, of a paced load.
        warm_up_s: seconds of load before the measured time.
        seconds: of the measured time.
        latency: note the latency of each message.
        pids: role to process id of every process whose CPU counts.
        server_core: the core of those processes, None if they are not pinned.
    """

    kind: Kind
    host: str
    port: int
    path: str
    connections: int
    rate: float
    warm_up_s: float
    seconds: float
    latency: bool
    pids: dict[str, int]
    server_core: int | None

    def encode(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Spec:
        """From JSON."""
        values = json.loads(text)
        return cls(**{**values, "kind": Kind(values["kind"])})


@dataclass(frozen=True, slots=True)
class Report:
    """What a run showed.

    Attributes:
        expected: messages due at the generator over the whole run, warm-up and end included.
        received: those that arrived as the next one of their connection.
        mismatched: frames that were not.
        lost: connections that ended early.
        messages: received within the measured time.
        window_s: the measured time, as the generator's clock saw it.
        cpu_us: role to microseconds of CPU within it.
        pss_bytes: role to growth of its proportional set size, from before the first connection to the end of the
            measured time.
        generator_share: part of a core that the generator used.
        others_share: part of the servers' core used by neither of them, None if they are not pinned.
        p50_us: median latency in microseconds; None if it was not noted.
        p99_us: its 99th percentile.
    """

    expected: int
    received: int
    mismatched: int
    lost: int
    messages: int
    window_s: float
    cpu_us: dict[str, float]
    pss_bytes: dict[str, int]
    generator_share: float
    others_share: float | None
    p50_us: float | None
    p99_us: float | None

    def encode(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Report:
        """From JSON."""
        return cls(**json.loads(text))

    @property
    def cpu_us_per_message(self) -> float:
        """Microseconds of CPU over all server processes for a message."""
        return sum(self.cpu_us.values()) / self.messages

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.window_s
