"""Real processes for a test, `trunkline interface`, `trunkline worker` and a Redis, each started by hand.

Unlike `cluster`, nothing supervises them: what a test kills stays dead. Ports are the kernel's choice, and every
process is ended by its own pid. What they logged is shown with a test that fails (see `show_logs`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redis.asyncio

from tests.support.commands import TRUNKLINE
from tests.support.exposition import total
from tests.support.process import START_WITHIN_S, Process
from tests.support.waiting import until
from trunkline.protocol.layer import OperatorLayer
from trunkline.protocol.messages import LeaseInfo
from trunkline.protocol.names import RECEIVE, Keys
from trunkline.protocol.redis_layer import connections, shards
from trunkline.protocol.settings import LayerSettings

APP = "tests.support.fault_app"
"""The handlers that the processes run unless a test names others."""
_SHOWN_LINES = 40
DATA_TIMEOUT_S = 10.0
# What no process of ours may ever say, whatever is done to it from outside.
_FAULTS = re.compile(
    r"the dispatcher failed|mailbox operation failed|background loop died|never retrieved|Exception in callback|"
    r"exception was never|Fatal (Python )?error"
)


class Interface(Process):
    """An interface server.

    Attributes:
        address: ``http://host:port`` it listens on; set by `Processes.ready`.
        id: its interface id at its start; set by `Processes.ready`.
    """

    address = ""
    id = ""


class Worker(Process):
    """A worker.

    Attributes:
        id: its worker id; set by `Processes.ready`.
    """

    id = ""


class Processes:
    """Interface servers and workers over one Redis.

    Args:
        url: of the Redis, or of one for each shard, with commas between.
        prefix: of their keys.
        folder: for their logs.
        shard: that tests look at.

    Attributes:
        interfaces: in the order of their start, also those that have ended.
        workers: as interfaces.
        keys: of the shard that tests look at.
        shards: keys of each shard.
    """

    def __init__(self, url: str, prefix: str, folder: Path, shard: int = 0) -> None:
        self.url = url
        self.shard = shard
        self.keys = Keys(prefix, shard)
        self.settings = LayerSettings.model_validate({"redis_url": url, "prefix": prefix})
        self.shards = [Keys(prefix, each) for each in range(len(self.settings.places))]
        self.interfaces: list[Interface] = []
        self.workers: list[Worker] = []
        self._folder = folder
        self._common = ["--redis-url", url, "--prefix", prefix, "--admin-port", "0"]

    # ---- starting and ending ----

    def interface(self, *flags: str) -> Interface:
        """Starts an interface server."""
        name = f"interface-{len(self.interfaces) + 1}"
        command = [*TRUNKLINE, "interface", *self._common, "--port", "0", *flags]
        self.interfaces.append(Interface(name, command, self._folder / f"{name}.log"))
        return self.interfaces[-1]

    def worker(self, *flags: str, routing: str = APP) -> Worker:
        """Starts a worker."""
        name = f"worker-{len(self.workers) + 1}"
        command = [*TRUNKLINE, "worker", routing, *self._common, *flags]
        self.workers.append(Worker(name, command, self._folder / f"{name}.log"))
        return self.workers[-1]

    async def start(self, interfaces: int, workers: int) -> None:
        """Starts so many more; returns when all are ready."""
        for _ in range(interfaces):
            self.interface()
        for _ in range(workers):
            self.worker()
        await self.ready()

    async def ready(self) -> None:
        """Waits until all that run are ready, and reads from their logs who they are."""
        for interface in self.interfaces:
            if not interface.id:
                match = await interface.says(r"listening address=(\S+) interface=(\w+)", START_WITHIN_S)
                interface.address, interface.id = match[1], match[2]
        for worker in self.workers:
            if not worker.id and not worker.excused:
                worker.id = (await worker.says(r"INFO (\w+) worker is ready", START_WITHIN_S))[1]

    def end(self) -> None:
        """Kills whatever is left."""
        for process in self.all():
            process.kill()

    def all(self) -> list[Process]:
        """All that were ever started."""
        return [*self.interfaces, *self.workers]

    def complaints(self) -> list[str]:
        """What went wrong in the processes themselves; ask before `end`."""
        return [
            f"{process.name} ended with {process.exit_code}" for process in self.all() if process.vanished
        ] + [
            f"{process.name}: {line}"
            for process in self.all()
            for line in process.text().splitlines()
            if _FAULTS.search(line)
        ]

    # ---- looking ----

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[OperatorLayer]:
        """The layer as people's commands see it."""
        layer = shards.operator_layer(self.settings)
        try:
            yield layer
        finally:
            await layer.close()

    async def lease(self, process: Process) -> LeaseInfo | None:
        """The lease that a process holds now, under whatever id."""
        async with self.operator() as layer:
            stats = await layer.stats()
        return next((lease for lease in stats.interfaces + stats.workers if lease.pid == process.pid), None)

    async def lets_in(self, process: Process) -> LeaseInfo | None:
        """The lease that a process holds, once it says that it is ready; it holds it a moment before."""
        lease = await self.lease(process)
        if lease is None:
            return None
        async with aiohttp.ClientSession() as session, session.get(f"http://{lease.admin}/ready") as answer:
            return lease if answer.status == 200 else None

    async def metric(self, process: Process, sample: str) -> float:
        """What a process counts.

        Args:
            process: which.
            sample: without the prefix, see `exposition.total`.
        """
        lease = await self.lease(process)
        assert lease is not None, f"{process.name} has no lease"
        async with aiohttp.ClientSession() as session, session.get(f"http://{lease.admin}/metrics") as answer:
            return total(await answer.text(), f"trunkline_{sample}")

    @asynccontextmanager
    async def data(self, shard: int | None = None) -> AsyncIterator[redis.asyncio.Redis]:
        """The bare Redis, of the shard that tests look at or of another."""
        place = self.settings.places[self.shard if shard is None else shard]
        async with connections.client(place, "test", DATA_TIMEOUT_S) as client:
            yield client

    async def held_by(self, worker: Worker) -> int:
        """How many frames a worker was given that it has not committed."""
        async with self.data() as client:
            consumers = await client.xinfo_consumers(self.keys.stream(RECEIVE), self.keys.consumer_group)
        return sum(item["pending"] for item in consumers if item["name"].decode() == worker.id)

    async def traces(self, word: str) -> list[str]:
        """Where in Redis a word (an interface id, a connection) still stands: keys, and members within them. Who died
        with an entry does not count: that ends by itself, and a dead letter may want to name it until then. Nor does
        its last load, which ends within seconds."""
        found = []
        async with self.data() as client:
            async for raw in client.scan_iter(match=f"{self.keys.base}*", count=1000):
                if raw.decode().startswith((f"{self.keys.base}deaths:", self.keys.load(""))):
                    continue
                if word in raw.decode():
                    found.append(raw.decode())
                elif word.encode() in await _members(client, raw):
                    found.append(f"{raw.decode()} (in it)")
        return found

    async def forgotten(self, word: str, within_s: float = 10.0) -> None:
        """Waits until a word stands nowhere in Redis any more."""
        left: list[str] = []

        async def none_left() -> bool:
            left[:] = await self.traces(word)
            return not left

        try:
            await until(none_left, within_s, f"{word} is forgotten")
        except AssertionError as late:
            raise AssertionError(f"{late}: {left}") from None

    async def until_no_key(self, kind: str, within_s: float = 10.0) -> None:
        """Waits until there is no key of a kind any more."""

        async def none_left() -> bool:
            return await self.count_keys(kind) == 0

        await until(none_left, within_s, f"there is no {kind} any more")

    async def count_keys(self, kind: str) -> int:
        """How many keys of a kind (``session``, ``group``, …) there are."""
        async with self.data() as client:
            return len([key async for key in client.scan_iter(match=f"{self.keys.base}{kind}:*", count=1000)])


async def _members(client: Any, key: bytes) -> bytes:
    kind = (await client.type(key)).decode()
    if kind == "hash":
        return b" ".join(field for item in (await client.hgetall(key)).items() for field in item)
    if kind == "set":
        return b" ".join(await client.smembers(key))
    if kind == "zset":
        return b" ".join(await client.zrange(key, 0, -1))
    if kind == "string":
        return bytes(await client.get(key) or b"")
    return b""


def show_logs(item: pytest.Item, report: pytest.TestReport) -> None:
    """Puts the last log lines of a failed test's processes into its report."""
    if not report.failed:
        return
    for value in getattr(item, "funcargs", {}).values():
        if isinstance(value, Processes):
            for process in value.all():
                lines = process.text().splitlines()[-_SHOWN_LINES:]
                report.sections.append((f"log of {process.name} (pid {process.pid})", "\n".join(lines)))


def new_prefix() -> str:
    """A key prefix nobody has used."""
    return f"test-{secrets.token_hex(6)}"
