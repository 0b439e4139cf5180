"""Socket.IO on Node: in one process, and with its Redis streams adapter for rooms."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.peer import Job, Peer, Route, Shape, System
from benchmarks.processes import Cores, server
from benchmarks.store import missing_store, store, store_version

from .kit import ensure
from .kits import APPS, node_kit, node_versions
from .python_server import LISTENING
from .socketio_dialect import PATH

KIT: Final = node_kit("socketio-node")

_DIALECTS: Final = "benchmarks.peers.socketio_dialect"
_PROGRAM: Final = APPS / "socketio_server.cjs"


def _command(redis_socket: str = "") -> list[str]:
    """Of the server; its packages are not beside it, so that it has to be told where they are."""
    environment = ["NODE_ENV=production", f"NODE_PATH={KIT.folder / 'node_modules'}"]
    environment += [f"BENCH_REDIS={redis_socket}"] if redis_socket else []
    # env runs what PATH finds; a version manager's stand-in would replace itself just the same.
    return ["/usr/bin/env", *environment, "node", str(_PROGRAM)]


@contextmanager
def _in_process(cores: Cores, folder: Path, shape: Shape) -> Iterator[System]:
    with server(_command(), folder / "node.log", LISTENING, cores.servers) as running:
        yield System(running.ready[1], int(running.ready[2]), {"node": running.pid}, "node")


@contextmanager
def _with_redis(cores: Cores, folder: Path, shape: Shape) -> Iterator[System]:
    with (
        store(cores, folder, shape.persistence) as redis,
        server(_command(redis.socket), folder / "node.log", LISTENING, cores.servers) as running,
    ):
        pids = {"node": running.pid, "redis": redis.pid}
        yield System(running.ready[1], int(running.ready[2]), pids, "node", redis=redis.socket)


def _missing() -> str | None:
    if shutil.which("node") is None:
        return "there is no node on PATH"
    return ensure(KIT)


def _versions(*packages: str) -> dict[str, str]:
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    return {**node_versions("socket.io", *packages), "node": node.stdout.strip().removeprefix("v")}


IN_PROCESS: Final = Peer(
    name="socketio-node",
    title="Socket.IO on Node in one process",
    guarantees="none: one process, no broker; what it has not answered dies with it",
    routes={
        Job.ECHO: Route(PATH, f"{_DIALECTS}:ECHO"),
        Job.CONNECT: Route(PATH, f"{_DIALECTS}:ECHO"),
        Job.SLEEP: Route(PATH, f"{_DIALECTS}:SLEEP"),
        Job.BURN: Route(PATH, f"{_DIALECTS}:BURN"),
    },
    commands=(f"node {_PROGRAM.name}",),
    missing=_missing,
    versions=_versions,
    start=_in_process,
)

WITH_REDIS: Final = Peer(
    name="socketio-redis",
    title="Socket.IO on Node, rooms through its Redis streams adapter",
    guarantees="at most once to clients; other servers resume in a stream of 10,000 entries while they live",
    routes={Job.GROUP: Route(PATH, f"{_DIALECTS}:ROOM")},
    commands=("redis-server", f"BENCH_REDIS=redis.sock node {_PROGRAM.name}"),
    missing=lambda: _missing() or missing_store(),
    versions=lambda: {**_versions("@socket.io/redis-streams-adapter"), **store_version()},
    start=_with_redis,
)

PEERS: Final = (IN_PROCESS, WITH_REDIS)
