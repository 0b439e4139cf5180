"""What the suite knows of a system it measures. Trunkline and the floor are peers like all others.

A module of `benchmarks.peers` makes one or several `Peer`; `benchmarks.peers.PEERS` names them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from .processes import Cores

PLAIN_DIALECT: Final = "benchmarks.dialect:PLAIN"
_NUMBER: Final = re.compile(r"-\d+$")


class Job(StrEnum):
    """What a server does with a message."""

    ECHO = "echo"
    """Sends it back over its connection."""
    SESSION = "session"
    """The same, and reads and writes what it keeps of the connection."""
    GROUP = "group"
    """Sends it to every connection that opened the same path, or said the same opening; the sender is a member."""
    CONNECT = "connect"
    """Lets a handler decide on the connection, in a worker where there are some. Messages are sent back."""
    SLEEP = "sleep"
    """Sends it back after 2 ms in which it does nothing, asynchronously."""
    BURN = "burn"
    """Sends it back after 2 ms of CPU time."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where and how a client asks for a job.

    Attributes:
        path: path and query of the WebSocket. ``{run}`` in it becomes letters and digits that no other run has: the
            name of the group, where the job has one (`dialect.RUN` does the same for the opening).
        dialect: ``module:attribute`` of the `Dialect`; by name, because the generator is a process of its own.
    """

    path: str
    dialect: str = PLAIN_DIALECT


@dataclass(frozen=True, slots=True)
class Shape:
    """How a system is to be set up. A peer takes what it knows of and leaves the rest.

    Attributes:
        interfaces: processes that hold sockets. More than one only where `Peer.scales`.
        workers: processes that run handlers. More than one only where `Peer.scales`.
        concurrency: asynchronous handlers at work at once in a worker; 0 for the system's own default.
        trimmed: processes give their free heap back before the first connection (`benchmarks.trimmed`): memory is
            measured. For Python processes only.
        persistence: Redis keeps an append-only file.
        redises: Redises, each a shard. More than one only where `Peer.scales`.
        redis_share: part of a core that each Redis may use; 0 for as much as there is. Only where `Peer.scales`.
    """

    interfaces: int = 1
    workers: int = 1
    concurrency: int = 0
    trimmed: bool = False
    persistence: bool = True
    redises: int = 1
    redis_share: float = 0.0


def numbered(role: str, index: int) -> str:
    """The name of the process of a role that has this index."""
    return f"{role}-{index + 1}" if index else role


def role_of(name: str) -> str:
    """The role of a process, from its name."""
    return _NUMBER.sub("", name)


def by_role(names: Iterable[str]) -> dict[str, list[str]]:
    """Role to the names of its processes."""
    roles: dict[str, list[str]] = {}
    for name in names:
        roles.setdefault(role_of(name), []).append(name)
    return roles


@dataclass(frozen=True, slots=True)
class System:
    """Servers that run.

    Attributes:
        host: where clients connect.
        port: where clients connect.
        pids: role (`numbered` where there are several) to process id, of every process that works for a message:
            brokers, Redis and the children of a master too. CPU, memory and syscalls are counted over them.
        holder: role of the process that holds the sockets.
        further: role to port of further processes that hold sockets, at the same host.
        redis: socket of the system's Redis, a path or ``host:port``, to ask how often it was called; empty if there is
            none, or more than one.
        scripted: names of commands, lower case, that its scripts call and that it calls nowhere else while messages
            flow; they are left out where calls are counted, because a script counts once.
    """

    host: str
    port: int
    pids: dict[str, int]
    holder: str
    further: dict[str, int] = field(default_factory=dict)
    redis: str = ""
    scripted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Peer:
    """A system that can be measured.

    Attributes:
        name: in tables and for ``--peers``: lower-case letters, digits, dashes.
        title: one short line: what it is.
        guarantees: one line: what happens to a message when a process dies.
        routes: by job, those that it can do; workloads of other jobs leave it out.
        commands: what is run, as a person would type it, for the report.
        missing: says why it cannot run here, None if it can. Called once, before anything is measured; it may install
            what it needs.
        versions: name to version of what it is made of; called after `missing`.
        start: starts it with a folder of its own for logs and configuration, and stops it when the block ends. Its
            processes run on ``cores.servers`` (`processes.server` does that); it listens at a port of the kernel's
            choice. Raises `processes.NotStarted` if it does not come up.
        scales: it heeds all of `Shape`.
    """

    name: str
    title: str
    guarantees: str
    routes: Mapping[Job, Route]
    commands: tuple[str, ...]
    missing: Callable[[], str | None]
    versions: Callable[[], dict[str, str]]
    start: Callable[[Cores, Path, Shape], AbstractContextManager[System]]
    scales: bool = False
