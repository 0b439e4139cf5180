"""Counts the instructions of a tier's laps under valgrind's callgrind, which sees each one and no clock.

Callgrind begins a new part of its count whenever the scene calls a C function that nothing else calls (`scene.mark`),
so start-up, the making of laps and their checks are parts of their own and do not count.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from .scene import LAPS, MARK, WARM_UP

ROOT: Final = Path(__file__).parents[2]
MISSING: Final = "no valgrind: apt-get install valgrind"
LIMIT_S: Final = 1200.0
"""Of one tier. It takes 40 s of CPU; on a machine that does much else that was seven minutes once."""

_TIERS: Final = ("protocol", "interface", "worker", "")
_TOTAL: Final = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)
_PARTS_OF_PATH: Final = 2 * (WARM_UP + LAPS)
"""A lap is one, and what is between it and the next."""


class Counted(NamedTuple):
    """What callgrind has counted of one path.

    Attributes:
        path: its name.
        instructions: of a message, the mean of the laps.
    """

    path: str
    instructions: float


class CountError(Exception):
    """Nothing could be counted; the text says why."""


def find_valgrind() -> str | None:
    """Path of an installed valgrind, or None."""
    return shutil.which("valgrind")


def environment() -> dict[str, str]:
    """All that the scene gets to see: what a shell holds moves memory about, and settings would change the work. With
    the same environment two counts are the same to the instruction."""
    site = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    paths = [str(ROOT / tier) for tier in _TIERS] + sorted(site)
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0"}


def scene(tier: str) -> list[str]:
    """The command that plays a tier's scene: without `site`, whose .pth files differ from one checkout to another."""
    return [sys.executable, "-S", "-s", "-P", "-m", "tests.instructions.scene", tier]


def count(valgrind: str, tier: str) -> list[Counted]:
    """Plays a tier's scene under callgrind.

    Raises:
        CountError: the scene failed, or the parts are not as many as it says.
    """
    # Once without it: that writes the byte code of what was never imported, which would leave memory in another state.
    _play(scene(tier))
    with TemporaryDirectory(prefix="trunkline-callgrind-") as folder:
        output = Path(folder, "part")
        played = _play(
            [
                valgrind, "--quiet", "--tool=callgrind", "--vgdb=no", f"--dump-before={MARK}", "--dump-line=no",
                f"--callgrind-out-file={output}", *scene(tier),
            ]
        )  # fmt: skip
        names = [line.split() for line in played.splitlines()]
        parts = len(list(output.parent.glob("part.*")))
        if not names or parts != _PARTS_OF_PATH * len(names):
            raise CountError(
                f"the scene of {tier} has {len(names)} paths, and callgrind has made {parts} parts"
            )
        return [_counted(output, index, name, int(messages)) for index, (name, messages) in enumerate(names)]


def _play(command: list[str]) -> str:
    done = subprocess.run(
        command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    if done.returncode:
        raise CountError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout


def _counted(output: Path, index: int, name: str, messages: int) -> Counted:
    # Part 1 is start-up, part 2 the first lap: laps are even, and of each path the last ones count.
    last = _PARTS_OF_PATH * (index + 1)
    laps = [total(output, part) for part in range(last - 2 * (LAPS - 1), last + 1, 2)]
    return Counted(name, sum(laps) / LAPS / messages)


def total(output: Path, part: int) -> int:
    """The instructions of a part.

    Raises:
        CountError: its file does not say.
    """
    found = _TOTAL.search(output.with_name(f"{output.name}.{part}").read_text())
    if found is None:
        raise CountError(f"part {part} of callgrind's output has no total")
    return int(found[1])
