"""Processes are held to a part of a core."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep

import pytest

from benchmarks.meters import cpu_ns
from benchmarks.quota import Hierarchy, hierarchy, limits, quota
from trunkline.protocol.errors import ConfigError

FIRST = """\
proc /proc proc rw,relatime 0 0
cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0
"""
SECOND = """\
proc /proc proc rw,relatime 0 0
cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nsdelegate 0 0
"""
SPINNING = "print(flush=True)\nwhile True: pass"


def test_the_hierarchy_is_the_one_with_the_cpu_controller() -> None:
    assert hierarchy(FIRST) == Hierarchy(Path("/sys/fs/cgroup/cpu,cpuacct"), unified=False)
    assert hierarchy(SECOND) == Hierarchy(Path("/sys/fs/cgroup"), unified=True)
    assert hierarchy("proc /proc proc rw 0 0\n") is None


def test_a_part_of_a_core_is_a_turn_in_a_period() -> None:
    assert limits(0.05, unified=True) == {"cpu.max": "1000 20000"}
    assert list(limits(0.05, unified=False).items()) == [
        ("cpu.cfs_period_us", "20000"),
        ("cpu.cfs_quota_us", "1000"),
    ]


@pytest.mark.parametrize(("controllers", "asked"), [("cpu memory\n", "cpu memory\n"), ("memory\n", "+cpu")])
def test_in_the_second_version_the_controller_is_asked_for_where_it_is_not_there(
    tmp_path: Path, controllers: str, asked: str
) -> None:
    mounts = tmp_path / "mounts"
    root = tmp_path / "cgroup"
    root.mkdir()
    (root / "cgroup.subtree_control").write_text(controllers)
    mounts.write_text(f"cgroup2 {root} cgroup2 rw 0 0\n")

    with quota(0.25, mounts) as hold:
        (group,) = root.glob("trunkline-bench-*")
        hold(123)
        assert (group / "cpu.max").read_text() == "1000 4000"
        assert (group / "cgroup.procs").read_text() == "123"
        for file in group.iterdir():  # the kernel's are not in the way of its rmdir
            file.unlink()

    assert (root / "cgroup.subtree_control").read_text() == asked
    assert not group.exists()


def test_where_there_is_no_such_controller_that_is_said(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("proc /proc proc rw 0 0\n")
    with (
        pytest.raises(ConfigError, match=r"held to 5\.0% of a core here: .*mounts has no mount"),
        quota(0.05, mounts),
    ):
        pass


def test_a_group_that_cannot_be_limited_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"cgroup {tmp_path} cgroup rw,cpu 0 0\n")
    monkeypatch.setattr("benchmarks.quota.limits", lambda share, unified: {"no such folder/file": "1"})
    with pytest.raises(ConfigError, match="it takes root"), quota(0.05, mounts):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mounts"]


def test_a_process_gets_its_part_of_a_core_and_no_more() -> None:
    share, wall_s = 0.1, 1.0
    with ExitStack() as stack:
        try:
            hold = stack.enter_context(quota(share))
        except ConfigError as error:
            pytest.skip(str(error))  # a matter of the machine, not of what is installed on it
        process = subprocess.Popen([sys.executable, "-c", SPINNING], stdout=subprocess.PIPE)
        stack.enter_context(process)
        stack.callback(process.kill)
        hold(process.pid)
        assert process.stdout is not None
        assert process.stdout.readline()
        before_ns, begin_s = cpu_ns(process.pid), monotonic()
        while (passed_s := monotonic() - begin_s) < wall_s:
            sleep(0.05)
        used_s = (cpu_ns(process.pid) - before_ns) / 1e9
    assert 0 < used_s < 1.2 * share * passed_s + 0.01


def test_a_process_that_is_gone_cannot_be_held(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    root = tmp_path / "cgroup"
    root.mkdir()
    mounts.write_text(f"cgroup {root} cgroup rw,cpu 0 0\n")
    with ExitStack() as stack:
        hold = stack.enter_context(quota(0.5, mounts))
        (group,) = root.iterdir()
        for file in group.iterdir():
            file.unlink()
        (group / "cgroup.procs").symlink_to(tmp_path / "none" / "file")
        with pytest.raises(ConfigError, match=r"held to 50\.0% of a core"):
            hold(1)
        (group / "cgroup.procs").unlink()
