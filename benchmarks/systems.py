"""What is measured: a Trunkline cluster of one interface server and one worker, and the floor."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trunkline.deploy.redis_server import find_binary, redis_conf, unix_url
from trunkline.deploy.rundir import RunDir

from .processes import Cores, server

LISTENING: Final = r"listening address=http://([\d.]+):(\d+)"
INTERFACE: Final = ("trunkline", "interface", "--port", "0")
WORKER: Final = ("trunkline", "worker", "benchmarks.routing")
FLOOR: Final = ("python", "-m", "benchmarks.floor")


@dataclass(frozen=True, slots=True)
class System:
    """Servers that run.

    Attributes:
        host: where clients connect.
        port: where clients connect.
        pids: role to process id.
        holder: role of the process that holds the sockets.
    """

    host: str
    port: int
    pids: dict[str, int]
    holder: str


def _command(words: tuple[str, ...], trimmed: bool, *further: str) -> list[str]:
    """What is executed for a command as a person would type it."""
    module, arguments = ("trunkline.deploy", words[1:]) if words[0] == "trunkline" else (words[2], words[3:])
    how = ("-m", "benchmarks.trimmed") if trimmed else ("-m",)
    return [sys.executable, *how, module, *arguments, *further]


@contextmanager
def trunkline(cores: Cores, persistence: bool, trimmed: bool = False) -> Iterator[System]:
    """A cluster: Redis as `trunkline up` starts it, an interface server, a worker.

    Args:
        cores: where they run.
        persistence: Redis keeps its append-only file.
        trimmed: the interface server has given its free heap back.

    Raises:
        ConfigError: there is no Redis.
        NotStarted: a process did not come up.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        run_dir = RunDir(Path(folder) / "run")
        run_dir.make()
        if run_dir.sockets != run_dir.path:
            stack.callback(run_dir.sockets.rmdir)
        configuration = run_dir.redis / "redis.conf"
        configuration.write_text(redis_conf(run_dir))
        url = ("--redis-url", unix_url(run_dir))
        binary = find_binary().path
        redis = [binary, str(configuration), *(() if persistence else ("--appendonly", "no"))]
        core = cores.servers
        store = stack.enter_context(
            server(redis, run_dir.log_file("redis"), "[Rr]eady to accept connections", core)
        )
        worker = stack.enter_context(
            server(_command(WORKER, False, *url), run_dir.log_file("worker"), "worker is ready", core)
        )
        interface = stack.enter_context(
            server(_command(INTERFACE, trimmed, *url), run_dir.log_file("interface"), LISTENING, core)
        )
        if trimmed:
            interface.trim()
        pids = {"interface": interface.pid, "worker": worker.pid, "redis": store.pid}
        yield System(interface.ready[1], int(interface.ready[2]), pids, "interface")


@contextmanager
def floor(cores: Cores, trimmed: bool = False) -> Iterator[System]:
    """The bare aiohttp server.

    Args:
        cores: where it runs.
        trimmed: it has given its free heap back.

    Raises:
        NotStarted: it did not come up.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        log = Path(folder) / "floor.log"
        with server(_command(FLOOR, trimmed), log, LISTENING, cores.servers) as running:
            if trimmed:
                running.trim()
            yield System(running.ready[1], int(running.ready[2]), {"floor": running.pid}, "floor")
