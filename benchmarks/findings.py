"""What a run showed: one JSON document from the generator to the suite."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Report:
    """What a run showed. What its kind of load does not measure is None or empty.

    Attributes:
        sent: messages that clients sent over the whole run, warm-up and end included.
        expected: messages due at the generator for them.
        received: those that arrived as the next one of their connection.
        duplicates: those that had arrived before.
        mismatched: frames that were something else.
        lost: connections that ended early.
        messages: received within the measured time, or connections opened in it.
        window_s: the measured time, as the generator's clock saw it.
        cpu_us: role to microseconds of CPU within it.
        pss_bytes: role to growth of its proportional set size: from before the first connection to the end of the
            measured time, or over an overload.
        kernel_bytes: growth of the kernel's slabs and socket buffers beside it, both ends of each connection.
        generator_share: part of a core that the generator used.
        others_share: part of the servers' core used by neither of them, None if they are not pinned.
        p50_us: median latency in microseconds.
        p99_us: its 99th percentile.
        redis_calls: commands that Redis was sent within the measured time, a script being one.
        syscalls: of all server processes, by message.
        dropped: slow members or overloading clients that the server closed.
        capacity: messages a second at most, before the overload.
        offered: messages that clients wanted to send within the measured time of an overload.
        back_s: seconds from the kill until every client was back.
        retries: handshakes that failed and were tried again.
        failed: clients that were not back in time.
    """

    sent: int
    expected: int
    received: int
    duplicates: int
    mismatched: int
    lost: int
    messages: int
    window_s: float
    cpu_us: dict[str, float]
    generator_share: float
    pss_bytes: dict[str, int] = field(default_factory=dict)
    kernel_bytes: int | None = None
    others_share: float | None = None
    p50_us: float | None = None
    p99_us: float | None = None
    redis_calls: int | None = None
    syscalls: float | None = None
    dropped: int = 0
    capacity: float | None = None
    offered: int | None = None
    back_s: float | None = None
    retries: int = 0
    failed: int = 0

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
    def redis_calls_per_message(self) -> float | None:
        """Calls of Redis for a message."""
        return None if self.redis_calls is None or not self.messages else self.redis_calls / self.messages

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.window_s
