"""What a workload is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .limits import Limit
from .peer import Job, Shape
from .spec import Kind


class Measure(StrEnum):
    """What the figure of a workload is; the text is its unit."""

    MESSAGE = "CPU µs/message"
    DELIVERY = "CPU µs/delivery"
    CONNECT = "CPU µs/connect"
    MEMORY = "KiB PSS/connection"
    RATE = "messages/s"
    BACK = "s until all are back"
    SHARE = "of the most it can do"


ONE_EACH: Final = Shape()

ALL: Final = ("*",)
"""Every peer that can do the job."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload.

    Attributes:
        title: what it is.
        kind: of load.
        job: what the servers do with a message.
        measure: what the figure is.
        connections: how many.
        limits: what it may cost.
        size: bytes of a message.
        rate: messages a second of a paced load.
        half: paced at half of what Trunkline can do at most, measured just before.
        room_size: members of a group; 0 for one group of all.
        slow: members besides that read nothing.
        factor: offered load in capacities.
        latency: latencies are reported.
        trace: syscalls are counted behind the measured time.
        shape: how the servers are set up.
        fresh: they are started again for each run.
        floor: the floor does it too.
        peers: names of others that do it too.
        rounds: at most so many; 0 for as many as asked for. For what takes long and hardly scatters.
        quick: part of the quick profile.
    """

    title: str
    kind: Kind
    job: Job = Job.ECHO
    measure: Measure = Measure.MESSAGE
    connections: int = 200
    limits: tuple[Limit, ...] = ()
    size: int = 16
    rate: float = 0.0
    half: bool = False
    room_size: int = 0
    slow: int = 0
    factor: float = 0.0
    latency: bool = False
    trace: bool = False
    shape: Shape = ONE_EACH
    fresh: bool = False
    floor: bool = True
    peers: tuple[str, ...] = ()
    rounds: int = 0
    quick: bool = False
