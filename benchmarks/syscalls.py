"""System calls of other processes, counted by what the machine has: perf, else strace, else not at all.

perf counts in the kernel and costs next to nothing. strace stops a process at every call, so under load it changes what
it counts; its figures are for paced loads.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Sequence
from typing import Final

_PERF: Final = re.compile(r"^\s*([\d,. ]+?)\s+raw_syscalls:sys_enter", re.MULTILINE)
_ELAPSED: Final = re.compile(r"^\s*([\d.]+) seconds time elapsed", re.MULTILINE)
_STRACE: Final = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+(?:[\d.]+\s+)?(\d+)\s+(?:\d+\s+)?total\s*$", re.MULTILINE)


def commands(pids: Sequence[int]) -> list[list[str]]:
    """What counts the calls of these processes until it gets SIGINT: of the tools that are there, the better first."""
    tools = [
        ["perf", "stat", "-e", "raw_syscalls:sys_enter", "-p", ",".join(map(str, pids))],
        ["strace", "-c", "-f", *(word for pid in pids for word in ("-p", str(pid)))],
    ]
    return [argv for argv in tools if shutil.which(argv[0])]


def counted(output: str) -> int | None:
    """The number in what perf or strace wrote; None if there is none."""
    if found := _PERF.search(output):
        digits = re.sub(r"\D", "", found[1])
        return int(digits) if digits else None
    if found := _STRACE.search(output):
        return int(found[1])
    return None


def elapsed_s(output: str) -> float | None:
    """How long perf says that it counted; None if nothing says so."""
    found = _ELAPSED.search(output)
    return float(found[1]) if found else None


async def calls_per_s(pids: Sequence[int], seconds: float) -> float | None:
    """Counts for some time, with the first tool that may do it here.

    Args:
        pids: of the processes.
        seconds: how long.

    Returns:
        Calls a second; None if they cannot be counted here.
    """
    for argv in commands(pids):
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
        )
        await asyncio.sleep(seconds)
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
        output = errors.decode(errors="replace")
        if (number := counted(output)) is not None:
            return number / (elapsed_s(output) or seconds)
    return None
