"""Trunkline and the floor, as peers among the others."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Final

from .peer import Job, Peer, Route, Shape, System, numbered
from .processes import Cores, Server, server
from .quota import quota
from .redis_calls import commands_of
from .store import Store, missing_store, store, store_version

LISTENING: Final = r"listening address=http://([\d.]+):(\d+)"
INTERFACE: Final = ("trunkline", "interface", "--port", "0")
WORKER: Final = ("trunkline", "worker", "benchmarks.routing")
FLOOR_COMMAND: Final = ("python", "-m", "benchmarks.floor")
SCRIPTS: Final = "trunkline.protocol.redis_layer"


def command(words: Sequence[str], trimmed: bool, *further: str) -> list[str]:
    """What is executed for a command as a person would type it."""
    module, arguments = ("trunkline.deploy", words[1:]) if words[0] == "trunkline" else (words[2], words[3:])
    how = ("-m", "benchmarks.trimmed") if trimmed else ("-m",)
    return [sys.executable, *how, module, *arguments, *further]


@contextmanager
def trunkline(cores: Cores, folder: Path, shape: Shape) -> Iterator[System]:
    """A cluster: Redises as `trunkline up` starts one, interface servers, workers.

    Raises:
        ConfigError: there is no Redis, or none that can be held to a part of a core.
        NotStarted: a process did not come up.
    """
    with ExitStack() as stack:
        redises = {
            numbered("redis", index): stack.enter_context(_shard(cores, folder, shape, index))
            for index in range(shape.redises)
        }
        url = ("--redis-url", ",".join(redis.url for redis in redises.values()))
        slots = ("--concurrency", str(shape.concurrency)) if shape.concurrency else ()

        def started(role: str, argv: Sequence[str], ready: str) -> Server:
            return stack.enter_context(server(argv, folder / f"{role}.log", ready, cores.servers))

        pids = {role: redis.pid for role, redis in redises.items()}
        for index in range(shape.workers):
            role = numbered("worker", index)
            pids[role] = started(role, command(WORKER, False, *url, *slots), "worker is ready").pid
        interfaces: dict[str, Server] = {}
        for index in range(shape.interfaces):
            role = numbered("interface", index)
            interfaces[role] = started(role, command(INTERFACE, shape.trimmed, *url), LISTENING)
            pids[role] = interfaces[role].pid
        if shape.trimmed:
            for interface in interfaces.values():
                interface.trim()
        (holder, first), *others = interfaces.items()
        yield System(
            host=first.ready[1],
            port=int(first.ready[2]),
            pids=pids,
            holder=holder,
            further={role: int(running.ready[2]) for role, running in others},
            redis=redises["redis"].socket if shape.redises == 1 else "",
            scripted=scripted(),
        )


@contextmanager
def _shard(cores: Cores, folder: Path, shape: Shape, index: int) -> Iterator[Store]:
    """One of a cluster's Redises."""
    with (
        quota(shape.redis_share) if shape.redis_share else nullcontext() as hold,
        store(cores, folder / numbered("redis", index), shape.persistence) as redis,
    ):
        if hold is not None:
            hold(redis.pid)
        yield redis


def scripted() -> frozenset[str]:
    """Commands that the scripts call. On the hot path nothing else calls one of these.

    But for the script that tries what a Redis user may do: nobody calls that while messages flow, and it tries the
    reads that processes send by themselves.
    """
    scripts = (
        file
        for file in resources.files(SCRIPTS).joinpath("lua").iterdir()
        if file.name.endswith(".lua") and file.name != "rights.lua"
    )
    return frozenset[str]().union(*(commands_of(file.read_text()) for file in scripts))


@contextmanager
def floor(cores: Cores, folder: Path, shape: Shape) -> Iterator[System]:
    """The bare aiohttp server.

    Raises:
        NotStarted: it did not come up.
    """
    argv = command(FLOOR_COMMAND, shape.trimmed)
    with server(argv, folder / "floor.log", LISTENING, cores.servers) as running:
        if shape.trimmed:
            running.trim()
        yield System(running.ready[1], int(running.ready[2]), {"floor": running.pid}, "floor")


def _versions(*packages: str) -> dict[str, str]:
    return {name: version(name) for name in packages}


def _trunkline_versions() -> dict[str, str]:
    packages = _versions("trunkline", "aiohttp", "uvloop", "hiredis", "msgpack", "redis")
    return {**packages, **store_version()}


TRUNKLINE: Final = Peer(
    name="trunkline",
    title="Trunkline: interface server, Redis, worker",
    guarantees="nothing is lost, doubled or reordered, whichever process dies",
    routes={
        Job.ECHO: Route("/echo"),
        Job.SESSION: Route("/session"),
        Job.GROUP: Route("/group/{run}"),
        Job.CONNECT: Route("/connect"),
        Job.SLEEP: Route("/sleep"),
        Job.BURN: Route("/burn"),
    },
    commands=("redis-server redis.conf", " ".join(WORKER), " ".join(INTERFACE)),
    missing=missing_store,
    versions=_trunkline_versions,
    start=trunkline,
    scales=True,
)
FLOOR: Final = Peer(
    name="floor",
    title="bare aiohttp on uvloop, one process, no handlers",
    guarantees="none: a message lives and dies with the process",
    routes={
        Job.ECHO: Route("/echo"),
        # It has no session; what one costs is in Trunkline's figure alone.
        Job.SESSION: Route("/echo"),
        Job.GROUP: Route("/group/{run}"),
        Job.CONNECT: Route("/echo"),
    },
    commands=(" ".join(FLOOR_COMMAND),),
    missing=lambda: None,
    versions=lambda: _versions("aiohttp", "uvloop"),
    start=floor,
)
