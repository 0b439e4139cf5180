"""What a message may cost on each path, and what to say of what it does cost. Pure but for the file.

A gate is a ratio: instructions of a message over those of a round of the yardstick. Builds of CPython have gates of
their own, because what compilers make cheap they do not make cheap everywhere alike.
"""

from __future__ import annotations

import platform
import sysconfig
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from .callgrind import Counted
from .reference import REFERENCE

FILE: Final = Path(__file__).with_name("gates.toml")
WRITE: Final = "python -m tests.instructions.write"
TOLERANCE: Final = 0.02
"""By how much a ratio may be over its gate; benchmarks/README.md says what it is measured by."""
OTHER_TOLERANCE: Final = 0.12
"""The same for a build that has no gates and is held against those of another one of its version."""

Ratios = Mapping[str, float]

_HEAD: Final = f"""\
# Instructions of a message over those of a round of the yardstick (reference.py), by build of CPython.
# `{WRITE}` writes it.
"""


class Cost(NamedTuple):
    """What a message costs on a path.

    Attributes:
        path: its name.
        instructions: of a message.
        ratio: of these to a round of the yardstick.
    """

    path: str
    instructions: float
    ratio: float


class Gates(NamedTuple):
    """What holds for a build.

    Attributes:
        build: whose gates they are.
        ratios: by path.
        tolerance: by how much a ratio may be over its gate.
    """

    build: str
    ratios: Ratios
    tolerance: float

    def fault(self, cost: Cost) -> str | None:
        """Why a cost does not pass; None if it does."""
        gate = self.ratios.get(cost.path)
        if gate is None:
            return f"{cost.path} has no gate: {WRITE}"
        over = cost.ratio / gate - 1
        if over <= self.tolerance:
            return None
        return (
            f"{cost.path}: a message takes {cost.instructions:,.0f} instructions, {cost.ratio:.4f} of the yardstick, "
            f"{over:.1%} over the gate of {gate:.4f}, and up to {self.tolerance:.0%} pass. Find out what it does more "
            f"(python -m tests.instructions.profile {cost.path}); if it is worth it, {WRITE}"
        )

    def gain(self, cost: Cost) -> str | None:
        """What to say of a path that has become cheaper; None if it has not, or not by more than the tolerance."""
        gate = self.ratios.get(cost.path)
        if gate is None or cost.ratio / gate - 1 >= -self.tolerance:
            return None
        return f"{cost.path} is {1 - cost.ratio / gate:.1%} cheaper than its gate: keep that by {WRITE}"

    def table(self, found: Sequence[Cost]) -> list[str]:
        """The lines of the table."""
        lines = [f"{'path':<16} {'instructions':>14} {'ratio':>9} {'gate':>9} {'off':>7}"]
        for cost in found:
            gate = self.ratios.get(cost.path)
            against = "none" if gate is None else f"{gate:.4f}"
            off = "" if gate is None else f"{cost.ratio / gate - 1:+.1%}"
            line = f"{cost.path:<16} {cost.instructions:>14,.0f} {cost.ratio:>9.4f} {against:>9} {off:>7}"
            lines.append(line.rstrip())
        return lines


def this_build() -> str:
    """The build of this CPython as far as it matters and tells: version, compiler, what that was asked for."""
    version = ".".join(platform.python_version_tuple()[:2])
    compiler = platform.python_compiler().split(".")[0]
    level = [word for word in str(sysconfig.get_config_var("OPT")).split() if word.startswith("-O")]
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS"))
    asked = [word for word in ("--enable-optimizations", "--with-lto") if word in arguments]
    return " ".join([platform.python_implementation(), version, compiler, *level, *asked])


def costs(tier: Sequence[Counted]) -> list[Cost]:
    """The costs of a tier's paths, by the yardstick that was counted in the same process."""
    round_ = next(counted for counted in tier if counted.path == REFERENCE.name).instructions
    return [
        Cost(counted.path, counted.instructions, counted.instructions / round_)
        for counted in tier
        if counted.path != REFERENCE.name
    ]


def gates_for(build: str, known: Mapping[str, Ratios]) -> Gates | None:
    """The gates of a build; with more tolerance those of another one of its version; None if there are none of it."""
    if build in known:
        return Gates(build, known[build], TOLERANCE)
    version = build.split()[:2]
    other = next((name for name in known if name.split()[:2] == version), None)
    return None if other is None else Gates(other, known[other], OTHER_TOLERANCE)


def moved(known: Mapping[str, Ratios], build: str, found: Sequence[Cost]) -> dict[str, Ratios]:
    """The gates after a count by one build. It cannot count with the others: theirs move by the same factor."""
    before = known.get(build, {})
    gates: dict[str, Ratios] = {}
    for name in sorted({*known, build}):
        ratios = known.get(name, {})
        gates[name] = {
            cost.path: cost.ratio
            if name == build or cost.path not in before or cost.path not in ratios
            else ratios[cost.path] * cost.ratio / before[cost.path]
            for cost in found
        }
    if not before:
        # Nothing to move by: this build is new, and the others stay as they are.
        gates.update({name: known[name] for name in known})
    return gates


def read(file: Path = FILE) -> dict[str, Ratios]:
    """All gates: by build, then by path."""
    return tomllib.loads(file.read_text()) if file.exists() else {}


def written(gates: Mapping[str, Ratios]) -> str:
    """The text of the file."""
    parts = [_HEAD]
    for build, ratios in gates.items():
        parts.append(
            f'\n["{build}"]\n' + "".join(f"{path} = {ratio:.4f}\n" for path, ratio in ratios.items())
        )
    return "".join(parts)
