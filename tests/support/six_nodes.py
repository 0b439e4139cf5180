"""A Redis Cluster of three primaries and three replicas, made by hand: what each step does is in the specification
(https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/)."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import redis.asyncio

from tests.support import full_disk
from tests.support.process import Process
from tests.support.redis_server import PATIENT_MS, Restartable, folder
from tests.support.waiting import until
from trunkline.protocol.names import slot_of_shard

PRIMARIES = 3
BUS_OFFSET = 10_000
"""A node's other port, by which nodes talk, is so much higher (``cluster-port`` came with Redis 7)."""
NODE_TIMEOUT_MS = 2000
"""After so long a silent node may be taken for dead."""
SLOTS = 16_384
KEYS_A_STEP = 10
WHOLE_WITHIN_S = 60.0
"""A busy machine takes its time to agree."""


def free_port_pair() -> int:
    """A port that is free, and whose bus port is."""
    while True:
        with closing(socket.socket()) as one, closing(socket.socket()) as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            if port + BUS_OFFSET > 65_535:
                continue
            with suppress(OSError):
                other.bind(("127.0.0.1", port + BUS_OFFSET))
                return port


class Node(Restartable):
    """One node.

    Args:
        place: for its files.
        binary: the server program.
    """

    def __init__(self, place: Path, binary: str) -> None:
        self.folder = place
        self.port = free_port_pair()
        self.url = f"redis://127.0.0.1:{self.port}"
        flags = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(place),
            "save": "",
            "appendonly": "yes",
            "cluster-enabled": "yes",
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
            "cluster-replica-validity-factor": "0",
            "cluster-require-full-coverage": "no",
            "repl-diskless-sync": "yes",
            "repl-diskless-sync-delay": "0",
            "maxmemory-policy": "noeviction",
        }
        self._command = [
            binary,
            *(word for name, value in flags.items() for word in (f"--{name}", value)),
        ]
        self.process = self._start()
        self.client: Any = redis.asyncio.Redis(port=self.port, protocol=2, decode_responses=True)
        self.id = ""

    def _start(self) -> Process:
        return Process(f"node-{self.port}", full_disk.survived(self._command), self.folder / "redis.log")

    async def ask(self, *words: object) -> Any:
        """Runs a command, as it is answered."""
        return await self.client.execute_command(*words)

    async def serves(self) -> bool:
        """Whether it says that all slots are served."""
        return "cluster_state:ok" in str(await self.ask("CLUSTER", "INFO"))

    async def answers(self) -> bool:
        """Whether it does."""
        assert self.process.exit_code is None, self.process.text()
        with suppress(redis.exceptions.ConnectionError):
            return bool(await self.client.ping())
        return False


class SixNodes:
    """The cluster.

    Args:
        places: ends with the test.
        binary: the server program.
    """

    def __init__(self, places: ExitStack, binary: str) -> None:
        self.nodes = [Node(places.enter_context(folder()), binary) for _ in range(2 * PRIMARIES)]

    @property
    def url(self) -> str:
        """Two of its nodes are enough to find the others."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])
        return f"redis+cluster://{hosts}"

    async def start(self) -> None:
        """Makes a cluster of the nodes; returns when all agree on it."""
        for number, node in enumerate(self.nodes):
            await until(node.answers, 30, "a node answers")
            node.id = await node.ask("CLUSTER", "MYID")
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        first = self.nodes[0]
        for node in self.nodes[1:]:
            await first.ask("CLUSTER", "MEET", "127.0.0.1", node.port)
        for number, node in enumerate(self.nodes[:PRIMARIES]):
            share = range(number * SLOTS // PRIMARIES, (number + 1) * SLOTS // PRIMARIES)
            await node.ask("CLUSTER", "ADDSLOTS", *share)
        await until(self._all_met, WHOLE_WITHIN_S, "all nodes know each other")
        for primary, replica in zip(self.nodes[:PRIMARIES], self.nodes[PRIMARIES:], strict=True):
            await replica.ask("CLUSTER", "REPLICATE", primary.id)
        await until(self.whole, WHOLE_WITHIN_S, "the cluster is whole")

    async def _all_met(self) -> bool:
        lists = [await node.ask("CLUSTER", "NODES") for node in self.nodes]
        return all(
            str(seen).count("connected") >= len(self.nodes) and "handshake" not in str(seen) for seen in lists
        )

    async def whole(self) -> bool:
        """Whether every node that lives says that all slots are served, every primary has its replica, and that has
        the data."""
        roles = []
        for node in self.living():
            if not await node.serves():
                return False
            info = await node.client.info("replication")
            roles.append(info["role"])
            if info["role"] == "slave" and info["master_link_status"] != "up":
                return False
        return len(roles) < len(self.nodes) or roles.count("slave") == PRIMARIES

    async def heal(self) -> None:
        """Starts the nodes that have ended; returns when all are whole."""
        for node in self.nodes:
            if node.process.exit_code is not None:
                await asyncio.to_thread(node.restart)
        await until(self.whole, WHOLE_WITHIN_S, "the cluster is whole")

    async def be_patient(self, timeout_ms: int = PATIENT_MS) -> None:
        """How long a node may be silent from now on until it is taken for dead."""
        for node in self.living():
            await node.ask("CONFIG", "SET", "cluster-node-timeout", timeout_ms)

    async def primaries(self) -> list[Node]:
        """The nodes that have slots."""
        found = {primary[2] for _, _, primary, *_ in await self.living()[-1].ask("CLUSTER", "SLOTS")}
        return [node for node in self.nodes if node.id in found]

    async def replica_of(self, primary: Node) -> Node:
        """One that has its primary's data."""
        for node in self.living():
            info = await node.client.info("replication")
            if info.get("master_port") == primary.port and info["master_link_status"] == "up":
                return node
        raise AssertionError(f"node {primary.port} has no replica")

    def living(self) -> list[Node]:
        """The nodes that run."""
        return [node for node in self.nodes if node.process.exit_code is None]

    async def primary_of(self, shard: int, but: Node | None = None) -> Node:
        """The primary of a shard's slot, as a node that lives tells.

        Args:
            shard: which.
            but: who is not asked.
        """
        slot = slot_of_shard(shard)
        asked = [node for node in self.living() if node is not but][-1]
        for first, last, primary, *_ in await asked.ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.id == primary[2])
        raise AssertionError(f"slot {slot} is nobody's")

    async def move(self, shard: int, target: Node) -> int:
        """Moves the slot of a shard to another primary, key by key as ``redis-cli --cluster reshard`` does; gives the
        number of keys."""
        slot, source = slot_of_shard(shard), await self.primary_of(shard)
        assert source is not target
        await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        moved = 0
        while keys := await source.ask("CLUSTER", "GETKEYSINSLOT", slot, KEYS_A_STEP):
            await source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
            moved += len(keys)
            await asyncio.sleep(0.02)  # Not a wait for something: others shall see the slot half moved.
        for node in (target, source, *self.living()):
            with suppress(redis.exceptions.ResponseError):  # replicas are told by their primaries
                await node.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        return moved

    async def until_promoted(self, shard: int, before: Node) -> None:
        """Waits until another node serves a shard than the one that died or sleeps."""

        async def promoted() -> bool:
            found = await self.primary_of(shard, before)
            return found is not before and (await found.client.info("replication"))["role"] == "master"

        await until(promoted, WHOLE_WITHIN_S, "its replica has taken over")

    async def close(self) -> None:
        """Ends every node."""
        for node in self.nodes:
            node.process.resume()
            node.process.kill()
        for node in self.nodes:
            await node.client.aclose()
