"""CPU and memory of other processes, as the kernel counts them. Linux only."""

from __future__ import annotations

import os
import time
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_IDLE_COLUMNS = (3, 4)
"""Of a line of /proc/stat (proc_stat(5)): idle and iowait; all others are work."""


def cpu_ns(pid: int) -> int:
    """Nanoseconds of CPU that a process has used, all its threads, user and kernel.

    Reads the process's CPU clock, whose id is made from its pid as clock_getcpuclockid(3) does. It counts what the
    scheduler counts; the fields of /proc/PID/stat go in steps of 10 ms, coarser than a paced run.

    Raises:
        OSError: there is no such process.
    """
    scheduler_clock = 2
    return time.clock_gettime_ns((~pid << 3) | scheduler_clock)


def pss_bytes(pid: int) -> int:
    """Proportional set size: private memory and this process's part of what it shares."""
    file = f"/proc/{pid}/smaps_rollup"
    return int(_line(Path(file).read_text(), "Pss:", file)[1]) * 1024


def core_busy_s(core: int) -> float:
    """Seconds that a core has worked since the machine's start, whoever for; in steps of 10 ms."""
    return busy_s(Path("/proc/stat").read_text(), core, _TICKS_PER_S)


def busy_s(stat: str, core: int, ticks_per_s: int) -> float:
    """The same from the text of /proc/stat."""
    for line in stat.splitlines():
        name, *columns = line.split()
        if name == f"cpu{core}":
            # user nice system idle iowait irq softirq steal; the guest columns behind are in user already.
            ticks = [int(column) for column in columns[:8]]
            return (sum(ticks) - sum(ticks[column] for column in _IDLE_COLUMNS)) / ticks_per_s
    raise OSError(f"/proc/stat: expected a line 'cpu{core}'")


def kernel_bytes() -> int:
    """Memory of the kernel's slabs and of the buffers of TCP sockets, of the whole machine."""
    meminfo, sockstat = Path("/proc/meminfo").read_text(), Path("/proc/net/sockstat").read_text()
    return slab_bytes(meminfo) + socket_buffer_pages(sockstat) * os.sysconf("SC_PAGE_SIZE")


def slab_bytes(meminfo: str) -> int:
    """The slabs, from the text of /proc/meminfo: sockets, files, directory entries and everything else of that kind."""
    return int(_line(meminfo, "Slab:", "/proc/meminfo")[1]) * 1024


def socket_buffer_pages(sockstat: str) -> int:
    """Pages in buffers of TCP sockets, from the text of /proc/net/sockstat."""
    columns = _line(sockstat, "TCP:", "/proc/net/sockstat")
    return int(columns[columns.index("mem") + 1])


def _line(text: str, name: str, file: str) -> list[str]:
    for line in text.splitlines():
        if line.startswith(name):
            return line.split()
    raise OSError(f"{file}: expected a line {name!r}")
