"""What is done to whom and when: a list made from a seed, so that it can be made again."""

from __future__ import annotations

import random
from typing import Literal, NamedTuple, get_args

Kind = Literal[
    "worker kill",
    "worker stop",
    "worker pause",
    "interface kill",
    "interface stop",
    "interface pause",
    "connections cut",
    "redis pause",
    "redis kill",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

_WEIGHTS: dict[Kind, int] = {
    "worker kill": 5,
    "worker stop": 3,
    "worker pause": 4,
    "interface kill": 3,
    "interface stop": 2,
    "interface pause": 4,
    "connections cut": 4,
    "redis pause": 2,
    "redis kill": 2,
}
_LASTS_S: dict[Kind, tuple[float, float]] = {
    "worker pause": (0.3, 4.0),  # its lease is 1.2 s
    "interface pause": (0.3, 8.0),  # 3 s, and four heartbeats of 250 ms until it is fenced
    "redis pause": (0.5, 6.0),
    "redis kill": (0.0, 3.0),
}
FIRST_S = 5.0
"""The load begins alone."""
BETWEEN_S = (1.5, 7.0)


class Step(NamedTuple):
    """One fault.

    Attributes:
        at_s: seconds from the begin of the soak.
        kind: what is done.
        place: which one; counted round among those it may be done to.
        lasts_s: how long it is paused, or away.
    """

    at_s: float
    kind: Kind
    place: int
    lasts_s: float

    def __str__(self) -> str:
        return f"{self.at_s:7.1f} s  {self.kind} #{self.place}" + (
            f" for {self.lasts_s:.1f} s" if self.kind in _LASTS_S else ""
        )


def plan(seed: int, until_s: float) -> list[Step]:
    """The faults of a soak, in their order. One may begin while another lasts."""
    rng = random.Random(seed)
    steps: list[Step] = []
    at_s = FIRST_S
    while at_s < until_s:
        kind = rng.choices(KINDS, [_WEIGHTS[kind] for kind in KINDS])[0]
        lasts_s = rng.uniform(*_LASTS_S.get(kind, (0.0, 0.0)))
        steps.append(Step(at_s, kind, rng.randrange(12), lasts_s))
        at_s += rng.uniform(*BETWEEN_S)
    return steps
