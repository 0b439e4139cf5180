"""A cluster of real processes, each behind a proxy of its own, that replaces what a case has killed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import redis

from tests.faults.leaks import leaks
from tests.faults.proxy import Proxy
from tests.faults.redises.kind import Redises
from tests.support.commands import TRUNKLINE
from tests.support.processes import Interface, Processes, Worker, new_prefix
from tests.support.waiting import until
from trunkline.protocol.codec import decode_session
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.messages import LeaseInfo

APP = "tests.faults.app"
TRACK = "v2"
Role = Literal["interface", "worker"]
_CLOCK = Path(__file__).parent / "clock"
"""Holds the sitecustomize by which signals move a process's wall clock."""


@dataclass(slots=True)
class Node:
    """A process and the proxy between it and Redis.

    Attributes:
        role: of the process.
        process: the present one.
        proxy: of this process alone, and of several the one to the Redis that cases strike.
        proxies: one for each Redis.
    """

    role: Role
    process: Interface | Worker
    proxy: Proxy
    proxies: tuple[Proxy, ...]

    @property
    def id(self) -> str:
        """Its interface or worker id at its start; of an interface that started over see `Cluster.ready_again`."""
        return self.process.id

    async def close_proxies(self) -> None:
        """Ends them, and with them its connections."""
        for proxy in self.proxies:
            await proxy.close()


class Cluster:
    """Two interface servers and two workers over Redises of their own.

    Cases strike the first of each role; the second interface server has the witness.

    Args:
        redises: of the cluster.
        folder: for logs.

    Attributes:
        redises: of the cluster.
        processes: all that were ever started.
        interfaces: the present interface servers.
        workers: the present workers.
        canaries: those of a track, on which all connections are; see `put_on_a_track`.
    """

    def __init__(self, redises: Redises, folder: Path) -> None:
        self.redises = redises
        self.prefix = new_prefix()
        self.processes = Processes(redises.url, self.prefix, folder, redises.shard)
        self.keys = self.processes.keys
        self.interfaces: list[Node] = []
        self.workers: list[Node] = []
        self.canaries: list[Node] = []
        self._folder = folder

    # ---- starting, replacing, ending ----

    async def start(self, worker_flags: tuple[str, ...] = (), without_redis: bool = False) -> None:
        """Starts what is missing; returns when all are ready.

        Args:
            worker_flags: of workers.
            without_redis: Redis may have been away: who ended because it was, is replaced like any other.
        """
        await self.redises.start()
        for nodes, make in ((self.interfaces, self._interface), (self.workers, self._worker)):
            while len(nodes) < 2:
                nodes.append(await make(worker_flags))
            for place, node in enumerate(nodes):
                if node.process.exit_code is not None:
                    node.process.excused = without_redis and node.process.exit_code == ExitCode.NO_REDIS
                    await node.close_proxies()
                    nodes[place] = await make(worker_flags)
        await self.processes.ready()
        self._learn_ids()

    async def put_on_a_track(self) -> None:
        """Starts two workers of a track and puts every new connection on it; returns when interface servers know."""
        for node in self.canaries:
            await node.close_proxies()
        self.canaries = [await self._worker(("--track", TRACK)) for _ in range(2)]
        await self.processes.ready()
        for shard, keys in enumerate(self.processes.shards):
            async with self.processes.data(shard) as data:
                await data.hset(keys.tracks, TRACK, 100)
        # The answer of one renewal has come when the next is sent.
        for _ in range(2):
            before = await self._leases()
            await until(partial(self._all_renewed, before), 10, "the interface servers hear of the track")

    async def _leases(self) -> list[float]:
        async with self.processes.data() as data:
            return [
                await data.zscore(self.keys.leases(node.role), node.id) or 0.0 for node in self.interfaces
            ]

    async def _all_renewed(self, before: list[float]) -> bool:
        return all(now > then for now, then in zip(await self._leases(), before, strict=True))

    async def replace_worker(self, place: int) -> Node:
        """Starts another worker in the place of one, which it gives back and which runs on."""
        old, self.workers[place] = self.workers[place], await self._worker(())
        await self.processes.ready()
        return old

    async def _interface(self, flags: tuple[str, ...]) -> Node:
        proxies = await self.redises.proxies()
        processes = self.processes
        name = f"interface-{len(processes.interfaces) + 1}"
        command = [*self._command("interface", proxies), "--port", "0"]
        processes.interfaces.append(Interface(name, command, self._folder / f"{name}.log"))
        return Node("interface", processes.interfaces[-1], proxies[-1], proxies)

    async def _worker(self, flags: tuple[str, ...]) -> Node:
        proxies = await self.redises.proxies()
        processes = self.processes
        name = f"worker-{len(processes.workers) + 1}"
        command = [*self._command("worker", proxies), APP, *flags]
        processes.workers.append(Worker(name, command, self._folder / f"{name}.log"))
        return Node("worker", processes.workers[-1], proxies[-1], proxies)

    def _command(self, role: Role, proxies: Sequence[Proxy]) -> list[str]:
        # `env` becomes the process itself: its pid is the process's.
        paths = os.pathsep.join([str(_CLOCK), *filter(None, [os.environ.get("PYTHONPATH")])])
        url = ",".join(proxy.url for proxy in proxies)
        common = ["--redis-url", url, "--prefix", self.prefix, "--admin-port", "0"]
        return ["env", f"PYTHONPATH={paths}", *TRUNKLINE, role, *common]

    async def close(self) -> None:
        """Ends everything, the Redises last."""
        self.processes.end()
        for node in self.nodes:
            await node.close_proxies()
        await self.redises.close()

    @property
    def nodes(self) -> list[Node]:
        """Every present process."""
        return [*self.interfaces, *self.workers, *self.canaries]

    @property
    def addresses(self) -> list[str]:
        """Of the interface servers."""
        return [node.process.address for node in self.interfaces if isinstance(node.process, Interface)]

    # ---- what stands in Redis ----

    async def is_leased(self, node: Node) -> bool:
        """Whether its id, as last known, has a lease."""
        async with self.processes.data() as data:
            return await data.zscore(self.keys.leases(node.role), node.id) is not None

    async def reaper(self) -> Node:
        """The worker that watches the others."""

        async def holder() -> Node | None:
            async with self.processes.data() as data:
                name = await data.get(self.keys.reaper)
            return next((one for one in self.workers if name == one.id.encode()), None)

        found = await until(holder, 5, "a worker watches the others")
        assert found is not None
        return found

    async def until_buried(self, node: Node, within_s: float | None = None) -> None:
        """Waits until it was declared dead, and what it left is with others; by default as long as on these Redises."""
        held_in = self.keys.dead_workers if node.role == "worker" else self.keys.reaping

        async def buried() -> bool:
            try:
                async with self.processes.data() as data:
                    return (
                        await data.zscore(self.keys.leases(node.role), node.id) is None
                        and await data.zscore(held_in, node.id) is None
                    )
            except redis.RedisError:
                return False  # Another fault struck Redis meanwhile.

        within_s = self.redises.waits.buried_s if within_s is None else within_s
        await until(buried, within_s, f"{node.process.name} is buried")

    async def until_ready(self, node: Node) -> None:
        """Waits until a process that was fenced or declared dead has a lease again, under whatever id."""

        async def lease() -> LeaseInfo | None:
            try:
                return await self.processes.lease(node.process)
            except LayerUnavailable:
                return None

        found = await until(lease, self.redises.waits.ready_s, f"{node.process.name} has a lease again")
        assert found is not None
        node.process.id = found.id

    async def sessions(self, shards: Iterable[int] | None = None) -> dict[str, int]:
        """The counter in each session, by connection name; of all shards, or of these."""
        found: dict[str, int] = {}
        for shard in range(len(self.processes.shards)) if shards is None else shards:
            base = self.processes.shards[shard].base
            async with self.processes.data(shard) as data:
                async for key in data.scan_iter(match=f"{base}session:*", count=1000):
                    raw = await data.get(key)
                    if isinstance(raw, bytes):
                        session = decode_session(raw)
                        found[str(session.get("name", key))] = int(session.get("counted", 0))
        return found

    def _learn_ids(self) -> None:
        """An interface server that was fenced, perhaps when nobody waited for it any more, has another id."""
        for node in self.interfaces:
            for found in re.finditer(r"started over interface=(\w+)", node.process.text()):
                node.process.id = found[1]

    async def leaks(self) -> list[str]:
        """What stands in Redis that should not when no connection is open."""
        self._learn_ids()
        alive = {node.id for node in self.nodes}
        found: list[str] = []
        for shard, keys in enumerate(self.processes.shards):
            async with self.processes.data(shard) as data:
                found += [f"shard {shard}: {leak}" for leak in await leaks(data, keys, alive)]
        return found
