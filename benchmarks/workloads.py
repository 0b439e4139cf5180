"""The workloads: what is offered to Trunkline and to the floor, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .spec import Kind


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that a workload may cost.

    Attributes:
        most: of Trunkline's median over ``of``.
        of: ``pair`` for the median ratio to the floor's run beside it, the name of a workload for the floor's median
            there, None for Trunkline's own median in the workload's unit.
    """

    most: float
    of: str | None

    def __str__(self) -> str:
        if self.of is None:
            return f"≤ {self.most:g}"
        return f"≤ {self.most:g}x" + ("" if self.of == "pair" else f" of the floor's {self.of}")


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload.

    Attributes:
        title: what it is.
        kind: of load.
        path: at Trunkline; ``{run}`` is another text for each run.
        floor_path: at the floor.
        unit: what the figure is.
        limit: the most it may cost, None if there is no such promise.
        rate: messages a second of a paced load.
        one_connection: with one connection instead of many.
        latency: latencies are reported.
        fresh: the servers are started again for each run and give their free heap back first: memory is measured.
    """

    title: str
    kind: Kind
    path: str = "/echo"
    floor_path: str = "/echo"
    unit: str = "CPU µs/message"
    limit: Limit | None = None
    rate: float = 0.0
    one_connection: bool = False
    latency: bool = False
    fresh: bool = False


WORKLOADS: Final = {
    "echo": Workload("echo, saturated", Kind.CLOSED, limit=Limit(3.5, "pair")),
    "session": Workload("echo, session read and written", Kind.CLOSED, path="/session"),
    "fan-out": Workload(
        "one group",
        Kind.FAN_OUT,
        path="/group/{run}",
        floor_path="/group/{run}",
        unit="CPU µs/delivery",
        limit=Limit(0.7, "echo"),
    ),
    "idle": Workload(
        "idle connections", Kind.IDLE, unit="KiB PSS/connection", limit=Limit(18, None), fresh=True
    ),
    "paced-200": Workload("echo at 200/s", Kind.PACED, rate=200, latency=True),
    "paced-2000": Workload("echo at 2,000/s", Kind.PACED, rate=2000, latency=True),
    "single": Workload("one connection", Kind.CLOSED, one_connection=True, latency=True),
}
