"""Django Channels 4: in one process on Daphne and on uvicorn, with both Redis layers, and split by `runworker`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.peer import Job, Peer, Route, Shape, System
from benchmarks.processes import Cores
from benchmarks.store import missing_store, store, store_version

from .kit import ensure
from .kits import python_kit, python_versions
from .python_server import LISTENING, python_server

KIT: Final = python_kit("channels")

_APPLICATION: Final = "channels_app:application"
_DAPHNE: Final = ("daphne_main", _APPLICATION)
_UVICORN: Final = ("uvicorn_main", _APPLICATION)
_SETTINGS: Final = {"DJANGO_SETTINGS_MODULE": "channels_settings"}
_CORE: Final = "channels_redis.core.RedisChannelLayer"
_PUBSUB: Final = "channels_redis.pubsub.RedisPubSubChannelLayer"
_IN_PROCESS: Final = {
    Job.ECHO: Route("/echo"),
    Job.SESSION: Route("/session"),
    Job.CONNECT: Route("/echo"),
    Job.SLEEP: Route("/sleep"),
    Job.BURN: Route("/burn"),
}
_SPLIT: Final = {
    Job.ECHO: Route("/worker/echo"),
    Job.CONNECT: Route("/worker/echo"),
    Job.SLEEP: Route("/worker/sleep"),
    Job.BURN: Route("/worker/burn"),
}


def _missing() -> str | None:
    return ensure(KIT)


def _missing_with_store() -> str | None:
    return ensure(KIT) or missing_store()


def _versions(*packages: str) -> dict[str, str]:
    return python_versions("channels", "channels", *packages)


def _in_process(server: tuple[str, ...], title: str) -> Peer:
    """Channels without a layer."""
    program = server[0].removesuffix("_main")

    @contextmanager
    def start(cores: Cores, folder: Path, shape: Shape) -> Iterator[System]:
        with python_server(
            KIT, server, folder / f"{program}.log", LISTENING, cores, shape, _SETTINGS
        ) as running:
            yield System(running.ready[1], int(running.ready[2]), {program: running.pid}, program)

    return Peer(
        name=f"channels-{program}",
        title=title,
        guarantees="none: one process, no broker; what it has not answered dies with it",
        routes=_IN_PROCESS,
        commands=(f"python -m {' '.join(server)}",),
        missing=_missing,
        versions=lambda: _versions(program),
        start=start,
    )


@contextmanager
def _with_layer(layer: str, worker: bool, cores: Cores, folder: Path, shape: Shape) -> Iterator[System]:
    """uvicorn and a Redis layer; a worker as well if it is asked for."""
    with ExitStack() as stack:
        redis = stack.enter_context(store(cores, folder, shape.persistence))
        environment = {**_SETTINGS, "BENCH_LAYER": layer, "BENCH_REDIS": redis.url}
        pids = {"redis": redis.pid}
        if worker:
            log = folder / "worker.log"
            running = stack.enter_context(
                python_server(KIT, ("channels_worker",), log, "worker is ready", cores, shape, environment)
            )
            pids["worker"] = running.pid
        web = stack.enter_context(
            python_server(KIT, _UVICORN, folder / "uvicorn.log", LISTENING, cores, shape, environment)
        )
        pids["uvicorn"] = web.pid
        yield System(web.ready[1], int(web.ready[2]), pids, "uvicorn", redis=redis.socket)


def _group(name: str, layer: str, guarantees: str) -> Peer:
    def start(cores: Cores, folder: Path, shape: Shape) -> AbstractContextManager[System]:
        return _with_layer(layer, False, cores, folder, shape)

    return Peer(
        name=f"channels-{name}",
        title=f"Channels 4 on uvicorn, {name} layer of channels_redis",
        guarantees=guarantees,
        routes={Job.GROUP: Route("/group/{run}")},
        commands=("redis-server", f"BENCH_LAYER={layer} python -m {' '.join(_UVICORN)}"),
        missing=_missing_with_store,
        versions=lambda: {**_versions("channels-redis", "uvicorn"), **store_version()},
        start=start,
    )


def _worker() -> Peer:
    def start(cores: Cores, folder: Path, shape: Shape) -> AbstractContextManager[System]:
        return _with_layer(_CORE, True, cores, folder, shape)

    return Peer(
        name="channels-runworker",
        title="Channels 4 on uvicorn, a worker (`runworker`) answers over the core layer",
        guarantees="at most once: a worker that dies loses what it has taken; a message is dropped after 60 s",
        routes=_SPLIT,
        commands=(
            "redis-server",
            "python -m channels_worker",
            f"BENCH_LAYER={_CORE} python -m {' '.join(_UVICORN)}",
        ),
        missing=_missing_with_store,
        versions=lambda: {**_versions("channels-redis", "uvicorn"), **store_version()},
        start=start,
    )


PEERS: Final = (
    _in_process(_DAPHNE, "Channels 4 in one process on Daphne"),
    _in_process(_UVICORN, "Channels 4 in one process on uvicorn"),
    _group(
        "core",
        _CORE,
        "at most once: kept in Redis up to 60 s for each member, in order; lost with its process",
    ),
    _group("pubsub", _PUBSUB, "at most once: Redis keeps nothing; lost while a process is away"),
    _worker(),
)
