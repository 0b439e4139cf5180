"""The Redis of a system: one program and one configuration behind all of them, that of `trunkline up`."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trunkline.deploy.redis_server import find_binary, redis_conf, unix_url
from trunkline.deploy.rundir import RunDir
from trunkline.protocol.errors import ConfigError

from .processes import Cores, server

READY: Final = "[Rr]eady to accept connections"


@dataclass(frozen=True, slots=True)
class Store:
    """A Redis that runs.

    Attributes:
        pid: its process id.
        socket: path of its Unix socket.
        url: of that socket.
        port: at 127.0.0.1, 0 if it was not asked for.
    """

    pid: int
    socket: str
    url: str
    port: int


def missing_store() -> str | None:
    """Why there is no Redis, in one line; None if there is."""
    try:
        find_binary()
    except ConfigError as error:
        return str(error)
    return None


def store_version() -> dict[str, str]:
    """Its version."""
    return {"Redis server": find_binary().version}


def free_port() -> int:
    """A port that was free just now, for programs that cannot say which one the kernel gave them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def store(cores: Cores, folder: Path, persistence: bool, tcp: bool = False) -> Iterator[Store]:
    """A Redis for the time of the block.

    Args:
        cores: where it runs.
        folder: for its data and its log.
        persistence: it keeps an append-only file.
        tcp: it listens at a port too, for clients that know no Unix sockets.

    Raises:
        ConfigError: there is none that can be started.
        NotStarted: it did not come up.
    """
    with ExitStack() as stack:
        run_dir = RunDir(folder / "run")
        run_dir.make()
        if run_dir.sockets != run_dir.path:
            stack.callback(run_dir.sockets.rmdir)
        configuration = run_dir.redis / "redis.conf"
        configuration.write_text(redis_conf(run_dir))
        port = free_port() if tcp else 0
        argv = [find_binary().path, str(configuration)]
        argv += ["--port", str(port), "--bind", "127.0.0.1"] if tcp else []
        argv += [] if persistence else ["--appendonly", "no"]
        running = stack.enter_context(server(argv, run_dir.log_file("redis"), READY, cores.servers))
        yield Store(running.pid, str(run_dir.redis_socket), unix_url(run_dir), port)
