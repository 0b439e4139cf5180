"""What the suite tells the generator: one JSON document."""

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
    """One connection of each room sends; the next message goes when every member has it."""
    IDLE = "idle"
    """Connections are open, and nothing is sent."""
    CONNECT = "connect"
    """Connections are opened, as many as the server takes, and stay open."""
    STORM = "storm"
    """A process that holds sockets is killed, and all its clients come back to another one."""
    OVERLOAD = "overload"
    """Messages go at a multiple of the rate that was the most a moment before."""


@dataclass(frozen=True, slots=True)
class Target:
    """A system as the generator sees it.

    Attributes:
        host: where it listens.
        ports: of all its processes that hold sockets; connections are dealt in turns.
        path: of every connection, ``{run}`` still in it.
        dialect: ``module:attribute``.
        pids: role to process id of every process whose CPU and memory count.
        holders: roles of the processes that hold sockets, in the order of the ports.
        core: of those processes, None if they are not pinned.
        redis: socket of its Redis, empty if it has none.
        scripted: commands that are not counted, because scripts call them.
    """

    host: str
    ports: list[int]
    path: str
    dialect: str
    pids: dict[str, int]
    holders: list[str]
    core: int | None = None
    redis: str = ""
    scripted: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Spec:
    """A run.

    Attributes:
        kind: of load.
        target: what it is offered to.
        run: a name that no other run has.
        connections: how many.
        warm_up_s: seconds of load before the measured time.
        seconds: of the measured time.
        size: bytes of a message.
        rate: messages a second over all connections, of a paced load.
        room_size: members of a group; 0 for one group of all.
        slow: members besides, that read nothing.
        factor: offered load of an overload, in capacities.
        latency: note the latency of each message.
        trace_s: seconds behind the measured time in which syscalls are counted; 0 for none.
    """

    kind: Kind
    target: Target
    run: str
    connections: int
    warm_up_s: float
    seconds: float
    size: int = 16
    rate: float = 0.0
    room_size: int = 0
    slow: int = 0
    factor: float = 1.0
    latency: bool = False
    trace_s: float = 0.0

    def encode(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Spec:
        """From JSON."""
        values = json.loads(text)
        return cls(**{**values, "kind": Kind(values["kind"]), "target": Target(**values["target"])})
