"""Centrifugo, a Go server that calls a backend over HTTP; groups go through Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.peer import Job, Peer, Route, Shape, System
from benchmarks.processes import Cores, server
from benchmarks.store import free_port, missing_store, store, store_version

from .centrifugo_dialect import PATH
from .kit import ensure
from .kits import go_kit
from .python_server import LISTENING, python_server
from .waiting import answers

VERSION: Final = "v6.9.1"
KIT: Final = go_kit("centrifugo", "github.com/centrifugal/centrifugo/v6", VERSION)

_DIALECTS: Final = "benchmarks.peers.centrifugo_dialect"


def configuration(port: int, backend: str, redis: str) -> str:
    """Its configuration: clients need no token, the backend decides on them.

    Args:
        port: of clients and of the API.
        backend: address of it.
        redis: URL of the Redis.
    """
    proxy = {"timeout": "10s", "include_connection_meta": True}
    return json.dumps(
        {
            "http_server": {"address": "127.0.0.1", "port": port},
            "log": {"level": "warn"},
            "engine": {"type": "redis", "redis": {"address": [redis]}},
            "client": {
                "proxy": {"connect": {**proxy, "enabled": True, "endpoint": f"{backend}/connect"}},
            },
            "rpc": {
                "proxy": {**proxy, "endpoint": f"{backend}/rpc"},
                "without_namespace": {"proxy_enabled": True},
            },
            "http_api": {"insecure": True},
            "health": {"enabled": True},
            "usage_stats": {"disabled": True},
        }
    )


@contextmanager
def _start(cores: Cores, folder: Path, shape: Shape) -> Iterator[System]:
    port = free_port()
    api = {"BENCH_API": f"http://127.0.0.1:{port}"}
    command = ("centrifugo_backend",)
    with (
        store(cores, folder, shape.persistence) as redis,
        python_server(None, command, folder / "backend.log", LISTENING, cores, shape, api) as backend,
    ):
        file = folder / "centrifugo.json"
        file.write_text(configuration(port, f"http://{backend.ready[1]}:{backend.ready[2]}", redis.url))
        argv = [str(KIT.folder / "centrifugo"), "-c", str(file)]
        with server(argv, folder / "centrifugo.log", "", cores.servers) as running:
            answers(running, port, "/health")
            pids = {"centrifugo": running.pid, "backend": backend.pid, "redis": redis.pid}
            yield System("127.0.0.1", port, pids, "centrifugo", redis=redis.socket)


PEERS: Final = (
    Peer(
        name="centrifugo",
        title="Centrifugo, a Go server that calls a backend (aiohttp) over HTTP, groups through Redis",
        guarantees="at most once: a call or a publication that fails is not repeated; no history, as by default",
        routes={
            Job.ECHO: Route(PATH, f"{_DIALECTS}:ECHO"),
            Job.CONNECT: Route(PATH, f"{_DIALECTS}:ECHO"),
            Job.GROUP: Route(PATH, f"{_DIALECTS}:ROOM"),
            Job.SLEEP: Route(PATH, f"{_DIALECTS}:SLEEP"),
            Job.BURN: Route(PATH, f"{_DIALECTS}:BURN"),
        },
        commands=("redis-server", "python -m centrifugo_backend", "centrifugo -c centrifugo.json"),
        missing=lambda: ensure(KIT) or missing_store(),
        versions=lambda: {"centrifugo": VERSION.removeprefix("v"), **store_version()},
        start=_start,
    ),
)
