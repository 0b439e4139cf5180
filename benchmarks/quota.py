"""Holds processes to a part of a core: so a Redis is the bottleneck on purpose, and all others have cores to spare.

The kernel does it, by a control group of the version that has the CPU controller here; it takes root to make one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from trunkline.protocol.errors import ConfigError

MOUNTS: Final = Path("/proc/self/mounts")
TURN_US: Final = 1000
"""What a group gets at a time, the least that the kernel takes: the shorter, the more even it goes."""
LEAST_SHARE: Final = 0.001
"""The kernel's turns come once a second at least."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where groups with a CPU controller are made.

    Attributes:
        folder: its root.
        unified: it is version 2.
    """

    folder: Path
    unified: bool


def hierarchy(mounts: str) -> Hierarchy | None:
    """The hierarchy that has the CPU controller; None if there is none.

    Args:
        mounts: text of /proc/self/mounts.
    """
    unified = None
    for line in mounts.splitlines():
        _, folder, kind, options, *_ = line.split()
        if kind == "cgroup" and "cpu" in options.split(","):
            return Hierarchy(Path(folder), unified=False)
        if kind == "cgroup2":
            unified = Hierarchy(Path(folder), unified=True)
    return unified


def limits(share: float, unified: bool) -> Mapping[str, str]:
    """File of a group to what is written there, in this order.

    Args:
        share: part of a core.
        unified: the hierarchy is version 2.
    """
    period_us = round(TURN_US / share)
    if unified:
        return {"cpu.max": f"{TURN_US} {period_us}"}
    return {"cpu.cfs_period_us": str(period_us), "cpu.cfs_quota_us": str(TURN_US)}


@contextmanager
def quota(share: float, mounts: Path = MOUNTS) -> Iterator[Callable[[int], None]]:
    """A group that may use a part of a core, for the time of the block.

    Args:
        share: part of a core, at least `LEAST_SHARE`, at most 1.
        mounts: the file that tells where groups are made.

    Yields:
        Puts the process with an id into the group; it must have ended when the block ends.

    Raises:
        ConfigError: that cannot be done here; also from what is yielded.
    """
    with _explained(share):
        group = _made(share, mounts)

    def hold(pid: int) -> None:
        with _explained(share):
            (group / "cgroup.procs").write_text(str(pid))

    try:
        yield hold
    finally:
        group.rmdir()


def _made(share: float, mounts: Path) -> Path:
    found = hierarchy(mounts.read_text())
    if found is None:
        raise OSError(f"{mounts} has no mount of type cgroup2, and none of type cgroup with the option cpu")
    if found.unified:
        controllers = found.folder / "cgroup.subtree_control"
        if "cpu" not in controllers.read_text().split():
            controllers.write_text("+cpu")
    group = Path(mkdtemp(prefix="trunkline-bench-", dir=found.folder))
    try:
        for name, value in limits(share, found.unified).items():
            (group / name).write_text(value)
    except OSError:
        group.rmdir()
        raise
    return group


@contextmanager
def _explained(share: float) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"no process can be held to {share:.1%} of a core here: {error}; it takes root, and control groups with "
            "the CPU controller"
        ) from error
