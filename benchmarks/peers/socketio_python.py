"""python-socketio on uvicorn: in one process, and with its Redis manager for rooms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.peer import Job, Peer, Route, Shape, System
from benchmarks.processes import Cores
from benchmarks.store import missing_store, store, store_version

from .kit import ensure
from .kits import python_kit, python_versions
from .python_server import LISTENING, python_server
from .socketio_dialect import PATH

KIT: Final = python_kit("socketio-python")

_COMMAND: Final = ("uvicorn_main", "socketio_app:application")
_DIALECTS: Final = "benchmarks.peers.socketio_dialect"


@contextmanager
def _in_process(cores: Cores, folder: Path, shape: Shape) -> Iterator[System]:
    with python_server(KIT, _COMMAND, folder / "uvicorn.log", LISTENING, cores, shape) as running:
        yield System(running.ready[1], int(running.ready[2]), {"uvicorn": running.pid}, "uvicorn")


@contextmanager
def _with_redis(cores: Cores, folder: Path, shape: Shape) -> Iterator[System]:
    with store(cores, folder, shape.persistence) as redis:
        environment = {"BENCH_REDIS": redis.url}
        log = folder / "uvicorn.log"
        with python_server(KIT, _COMMAND, log, LISTENING, cores, shape, environment) as running:
            pids = {"uvicorn": running.pid, "redis": redis.pid}
            yield System(running.ready[1], int(running.ready[2]), pids, "uvicorn", redis=redis.socket)


def _versions() -> dict[str, str]:
    return python_versions("socketio-python", "python-socketio", "python-engineio", "uvicorn")


IN_PROCESS: Final = Peer(
    name="python-socketio",
    title="python-socketio in one process on uvicorn",
    guarantees="none: one process, no broker; what it has not answered dies with it",
    routes={
        Job.ECHO: Route(PATH, f"{_DIALECTS}:ECHO"),
        Job.CONNECT: Route(PATH, f"{_DIALECTS}:ECHO"),
        Job.SLEEP: Route(PATH, f"{_DIALECTS}:SLEEP"),
        Job.BURN: Route(PATH, f"{_DIALECTS}:BURN"),
    },
    commands=(f"python -m {' '.join(_COMMAND)}",),
    missing=lambda: ensure(KIT),
    versions=_versions,
    start=_in_process,
)

WITH_REDIS: Final = Peer(
    name="python-socketio-redis",
    title="python-socketio on uvicorn, rooms through its Redis manager",
    guarantees="at most once: over Redis pub/sub, which keeps nothing; lost while a process is away",
    routes={Job.GROUP: Route(PATH, f"{_DIALECTS}:ROOM")},
    commands=("redis-server", f"BENCH_REDIS=unix://... python -m {' '.join(_COMMAND)}"),
    missing=lambda: ensure(KIT) or missing_store(),
    versions=lambda: {**_versions(), **store_version()},
    start=_with_redis,
)

PEERS: Final = (IN_PROCESS, WITH_REDIS)
