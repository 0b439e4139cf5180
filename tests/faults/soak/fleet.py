"""The processes of a soak: each has a slot, and whoever ends is replaced in its slot at once.

The first interface server and the first worker are never ended, only paused and cut off: what memory does over time
shows in them.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from pathlib import Path

import redis

from tests.support.process import START_WITHIN_S, Process
from tests.support.processes import Interface, Processes, Worker, new_prefix
from tests.support.redis_server import Redis
from trunkline.protocol.exit_codes import ExitCode

APP = "tests.faults.soak.app"
DRAIN_S = 3.0
RESTART_S = 0.5
"""Between two attempts to start a process."""
REWRITE_BYTES = 8 * 1024 * 1024
CLIENT_NAMES = (
    "trunkline-worker",
    "trunkline-reader",
    "trunkline-interface",
    "trunkline-mailbox",
    "trunkline-lease",
)


class NoRedis(Exception):
    """A process ended at its start because it found no Redis. A supervisor would start it again."""


async def _says(process: Process, pattern: str) -> re.Match[str]:
    try:
        return await process.says(pattern, START_WITHIN_S)
    except AssertionError:
        if process.exit_code != ExitCode.NO_REDIS:
            raise
        await process.ends()
        raise NoRedis(process.name) from None


class Slot:
    """A place for a process.

    Attributes:
        process: the present one; None until it is ready.
        elder: it is never ended.
        busy: something is being done to it.
    """

    def __init__(self, *, elder: bool) -> None:
        self.process: Process | None = None
        self.elder = elder
        self.busy = False


class Fleet:
    """All of them, and their Redis.

    Args:
        server: their Redis.
        folder: for logs.
        interfaces: how many.
        workers: how many.
    """

    def __init__(self, server: Redis, folder: Path, interfaces: int, workers: int) -> None:
        self.redis = server
        self.processes = Processes(server.url, new_prefix(), folder)
        self.interfaces = [Slot(elder=place == 0) for place in range(interfaces)]
        self.workers = [Slot(elder=place == 0) for place in range(workers)]
        self.redis_busy = False

    async def start(self) -> None:
        """Starts everything; returns when all are ready."""
        self._settle_redis()
        await asyncio.gather(*map(self.fill, (*self.interfaces, *self.workers)))

    async def fill(self, slot: Slot) -> None:
        """Starts a process for a slot, again and again while it finds no Redis; returns when it is ready."""
        slot.process = None
        while True:
            try:
                slot.process = await (self._interface() if slot in self.interfaces else self._worker())
                return
            except NoRedis:
                await asyncio.sleep(RESTART_S)

    async def _interface(self) -> Interface:
        interface = self.processes.interface("--drain-s", str(DRAIN_S))
        match = await _says(interface, r"listening address=(\S+) interface=(\w+)")
        interface.address, interface.id = match[1], match[2]
        return interface

    async def _worker(self) -> Worker:
        worker = self.processes.worker("--drain-s", str(DRAIN_S), routing=APP)
        worker.id = (await _says(worker, r"INFO (\w+) worker is ready"))[1]
        return worker

    @property
    def addresses(self) -> list[str]:
        """Of the interface servers that are ready."""
        return [slot.process.address for slot in self.interfaces if isinstance(slot.process, Interface)]

    def running(self) -> list[Process]:
        """The processes that are ready."""
        return [slot.process for slot in (*self.interfaces, *self.workers) if slot.process is not None]

    def cut(self, name: str) -> int:
        """Has Redis end the connections of a kind, whoever's they are; tells how many."""
        with closing(redis.Redis.from_url(self.redis.url)) as client:
            ids = [one["id"] for one in client.client_list() if one["name"] == name]
            return sum(client.client_kill_filter(_id=one) for one in ids)

    def restart_redis(self) -> None:
        """Starts Redis again on its data. Blocks."""
        self.redis.restart()
        self._settle_redis()

    def _settle_redis(self) -> None:
        with closing(redis.Redis.from_url(self.redis.url)) as client:
            # With `everysec` Redis puts a write off while an fsync takes its time, and answers all the same. A kill in
            # that moment loses what was acknowledged, and effects happen again that are promised once only otherwise.
            # That case has tests of its own; here a kill shall lose nothing: all is to be checked to be exactly once.
            client.config_set("appendfsync", "no")
            # A start makes the size of the file the measure of its growth, so that file and start would double with
            # every few kills, up to minutes: 64 MiB of small writes take this Redis 15 seconds to load.
            client.config_set("auto-aof-rewrite-min-size", str(REWRITE_BYTES))
            client.bgrewriteaof()

    def used_memory_bytes(self) -> int | None:
        """Of Redis; None while something is being done to it."""
        if self.redis_busy:
            return None
        with closing(redis.Redis.from_url(self.redis.url, socket_timeout=1.0)) as client:
            return int(client.info("memory")["used_memory"])
