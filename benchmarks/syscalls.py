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

TOOLS: Final = ("perf", "strace")
_PERF: Final = re.compile(r"^\s*([\d,. ]+?)\s+raw_syscalls:sys_enter", re.MULTILINE)
_STRACE: Final = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+(?:[\d.]+\s+)?(\d+)\s+(?:\d+\s+)?total\s*$", re.MULTILINE)


def available() -> str | None:
    """The tool that counts here; None if there is none."""
    return next((tool for tool in TOOLS if shutil.which(tool)), None)


def command(pids: Sequence[int]) -> list[str] | None:
    """What counts the calls of these processes until it gets SIGINT; None if there is nothing that does."""
    match available():
        case "perf":
            return ["perf", "stat", "-e", "raw_syscalls:sys_enter", "-p", ",".join(map(str, pids))]
        case "strace":
            return ["strace", "-c", "-f", *(word for pid in pids for word in ("-p", str(pid)))]
        case _:
            return None


def counted(output: str) -> int | None:
    """The number in what perf or strace wrote; None if there is none."""
    if found := _PERF.search(output):
        digits = re.sub(r"\D", "", found[1])
        return int(digits) if digits else None
    if found := _STRACE.search(output):
        return int(found[1])
    return None


async def count(pids: Sequence[int], seconds: float) -> int | None:
    """Counts for some time.

    Args:
        pids: of the processes.
        seconds: how long.

    Returns:
        The number of calls; None if they cannot be counted here.
    """
    argv = command(pids)
    if argv is None:
        return None
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
    return counted(errors.decode(errors="replace"))
