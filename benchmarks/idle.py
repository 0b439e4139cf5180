"""Silent connections: what they take of memory. Those beyond one process's file limit are held by further ones."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Final

from .client import close
from .crowd import open_crowd
from .files import most_connections
from .findings import Report
from .load import IdleLoad
from .meters import kernel_bytes, pss_bytes
from .processes import ROOT
from .sample import Sampler, summarize
from .spec import Spec
from .speech import Speech
from .steady import settle

OPEN: Final = "open"
"""What a holder says when its connections are."""


async def measure(spec: Spec) -> Report:
    """Opens the connections and weighs the servers before and after."""
    pids = spec.target.pids
    before = {role: pss_bytes(pid) for role, pid in pids.items()}
    kernel_before = kernel_bytes()
    speech = Speech(spec.target.dialect)
    load = IdleLoad(speech)
    own, *others = parts(spec.connections, most_connections())
    sampler = Sampler(spec.target)
    async with AsyncExitStack() as stack:
        sockets = await open_crowd(spec, speech, load.socket, own)
        for number, connections in enumerate(others):
            part = replace(spec, connections=connections, run=f"{spec.run}h{number}")
            await stack.enter_async_context(holder(part))
        settle()
        await asyncio.sleep(spec.warm_up_s)
        first = sampler.take(0)
        await asyncio.sleep(spec.seconds)
        last = sampler.take(0)
        growth = {role: pss_bytes(pid) - before[role] for role, pid in pids.items()}
        kernel = kernel_bytes() - kernel_before
        await close(sockets)
    return summarize(first, last, load.tally, pss_bytes=growth, kernel_bytes=kernel)


def parts(connections: int, limit: int) -> list[int]:
    """How many connections each process holds.

    Args:
        connections: altogether.
        limit: of one process.
    """
    full, rest = divmod(connections, limit)
    return [limit] * full + ([rest] if rest or not full else [])


async def _ended(process: asyncio.subprocess.Process) -> str:
    """Has a holder end, by the end of its standard input; its last words."""
    assert process.stdin is not None
    process.stdin.close()  # `communicate` does not, before Python 3.12
    _, errors = await process.communicate()
    return last_line(errors)


def last_line(errors: bytes) -> str:
    """Why a process ended, as far as it said so."""
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


class HolderFailed(RuntimeError):
    """A process that should hold connections does not."""


@asynccontextmanager
async def holder(spec: Spec) -> AsyncIterator[None]:
    """A further process that holds connections for the time of the block.

    Raises:
        HolderFailed: it could not open them, or lost one.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.holder",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(spec.encode().encode() + b"\n")
        said = (await process.stdout.readline()).decode().strip()
        if said != OPEN:
            raise HolderFailed(f"a holder of {spec.connections:,} connections: {await _ended(process)}")
        yield
        why = await _ended(process)
        if process.returncode:
            raise HolderFailed(f"a holder lost connections: {why}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
