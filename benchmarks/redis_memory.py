"""``python -m benchmarks.redis_memory``: what connections, groups and waiting messages take of Redis' memory.

It starts a cluster as ``trunkline up`` does, with a Redis of its own, and for each row lets many connections leave one
thing there. A row's figure is by how much ``MEMORY USAGE`` of all keys grew, divided by how many there are. Redis
counts there what its allocator gave, but for the table of keys itself, which is `BUCKET_BYTES` a key.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import redis
import uvloop
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from trunkline.deploy import supervisor
from trunkline.deploy.rundir import RunDir
from trunkline.protocol.names import RECEIVE, Keys
from trunkline.protocol.settings import Settings, parse_or_exit

from .client import Socket, close
from .files import raise_limit
from .load import IdleLoad
from .opening import Door, open_all
from .peer import PLAIN_DIALECT
from .processes import ROOT, clean_environment
from .speech import Speech
from .text import number, table

DOCUMENT: Final = ROOT / "docs" / "operations.md"
SIZES: Final = (16, 256, 1024, 4096, 16384)
"""Bytes of queued messages."""
SESSIONS: Final = (100, 1000)
"""Bytes of what handlers keep in a session."""
LETTER_BYTES: Final = 100
"""Of a message that is delayed, or becomes a dead letter."""
BLOCK: Final = re.compile(r"(?<=<!-- redis memory -->\n).*?(?=<!-- end -->)", re.DOTALL)
START_S: Final = "300"
"""A cluster is up within a few seconds, on a machine that does other things besides within more."""
WITHIN_S: Final = 300.0
ENVIRON: Final = {
    # Nobody takes what is queued, and that is meant: no client shall be held up for it.
    "TRUNKLINE_MAX_WAIT_S": "0",
    # The worker stands still on purpose, and everything else may on a busy machine: nobody is to be declared dead.
    "TRUNKLINE_INTERFACE_LEASE_S": "600",
    "TRUNKLINE_WORKER_LEASE_S": "600",
}
_POLL_S: Final = 0.05
STEADY_S: Final = 0.2
"""Between two looks that must agree."""
BUCKET_BYTES: Final = 16
"""Of the table of keys: a pointer a bucket, and right after it has doubled two buckets a key."""


class MemorySettings(Settings):
    """What the command can be told."""

    model_config = SettingsConfigDict(env_prefix="TRUNKLINE_BENCH_")

    connections: Annotated[int, Field(ge=1, le=9000)] = Field(
        5000, description="connections that leave something, of each row"
    )
    write_table: bool = Field(False, description="write the table into docs/operations.md")


@dataclass(frozen=True, slots=True)
class Row:
    """What one thing takes.

    Attributes:
        what: the thing.
        size: bytes of it that are the application's own; 0 for none.
        taken: bytes of Redis' memory.
    """

    what: str
    size: int
    taken: float


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster that runs.

    Attributes:
        port: of its interface server.
        redis: client of its Redis.
        worker: process id of its worker.
        keys: names of its keys.
        count: connections of each row.
    """

    port: int
    redis: Any  # redis-py's answers are of every type
    worker: int
    keys: Keys
    count: int

    def used(self) -> int:
        """Bytes that all keys take."""
        keys = list(self.redis.scan_iter(count=1000))
        asked = self.redis.pipeline(transaction=False)
        for key in keys:
            asked.memory_usage(key, samples=0)  # 0: all elements of it, not some
        # A key may be gone by then.
        return sum(int(taken or 0) + BUCKET_BYTES for taken in asked.execute())

    def registered(self) -> int:
        """Connections that Redis knows."""
        (box,) = self.redis.zrange(self.keys.leases("interface"), 0, -1)
        return int(self.redis.hlen(self.keys.registry(box.decode())))


@contextmanager
def cluster(folder: Path, count: int) -> Iterator[Place]:
    """One interface server, one worker and a Redis, for the time of the block.

    Args:
        folder: for all that it writes; its path must be short, as a Unix socket's is.
        count: connections of each row.

    Raises:
        CalledProcessError: it did not come up; why stands above.
    """
    command = [sys.executable, "-m", "trunkline.deploy"]
    where = ["--run-dir", str(folder)]
    environ = {**clean_environment(), **ENVIRON}
    environ.pop("REDIS_URL", None)
    numbers = ["--interfaces", "1", "--workers", "1"]
    up = [*command, "up", "benchmarks.keeping", "--port", "0", "--start-timeout-s", START_S, *numbers, *where]
    subprocess.run(up, cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)
    try:
        run_dir = RunDir(folder)
        state = run_dir.load()
        assert state is not None, "'up' succeeded and left no state"
        (worker,) = (member.pid for member in supervisor.members(state.cluster) if member.role == "worker")
        with closing(redis.Redis(unix_socket_path=str(run_dir.redis_socket))) as client:
            yield Place(state.port, client, worker, Keys(state.layer_settings().prefix), count)
    finally:
        subprocess.run(
            [*command, "down", *where], cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL
        )


async def until(condition: Callable[[], bool], what: str) -> None:
    """Waits for something that Redis is asked for.

    Raises:
        TimeoutError: it is not so within `WITHIN_S`; the text says what.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + WITHIN_S
    while not condition():
        if loop.time() > end_s:
            raise TimeoutError(f"not within {WITHIN_S:g} s: {what}")
        await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def crowd(place: Place, path: str) -> AsyncIterator[list[Socket]]:
    """Open connections for the time of the block; their disconnects are handled when it ends."""
    speech = Speech(PLAIN_DIALECT)
    load = IdleLoad(speech)
    door = Door("127.0.0.1", place.port, path)
    sockets = await open_all(load.socket, place.count, speech, lambda index: door, str)
    try:
        await until(lambda: place.registered() == place.count, "all connections are registered")
        yield sockets
    finally:
        await close(sockets)
        await until(lambda: place.registered() == 0, "all disconnects are handled")


def say(sockets: Sequence[Socket], size: int) -> None:
    """Sends one message of so many bytes on each connection."""
    for socket in sockets:
        socket.transport.write(socket.speech.frame(b"x" * size))


async def steady(place: Place) -> int:
    """Bytes that all keys take, when what went before is cleared away: a mailbox is cut a moment after it was read."""
    taken = place.used()
    while True:
        await asyncio.sleep(STEADY_S)
        if (now := place.used()) == taken:
            return taken
        taken = now


async def connections(place: Place, path: str) -> float:
    """Bytes a connection to this path."""
    before = await steady(place)
    async with crowd(place, path):
        return (place.used() - before) / place.count


async def queued(place: Place, sockets: Sequence[Socket], size: int) -> float:
    """Bytes a message that waits in its channel's stream: the worker stands still meanwhile."""
    stream = place.keys.stream(RECEIVE)
    before = await steady(place)
    os.kill(place.worker, signal.SIGSTOP)
    try:
        say(sockets, size)
        await until(lambda: place.redis.xlen(stream) == place.count, f"messages of {size} bytes are queued")
        return (place.used() - before) / place.count
    finally:
        os.kill(place.worker, signal.SIGCONT)
        await until(lambda: place.redis.xlen(stream) == 0, "they are handled")


async def left(place: Place, path: str, key: str, size_of: Callable[[str], int]) -> float:
    """Bytes of what the handler of a path leaves under a key for each message; the key is deleted."""
    async with crowd(place, path) as sockets:
        before = await steady(place)
        say(sockets, LETTER_BYTES)
        await until(lambda: size_of(key) == place.count, f"all messages to {path} are handled")
        taken = (place.used() - before) / place.count
    place.redis.delete(key)
    return taken


NAMES: Final = (
    "open connection",
    *(f"the same with a session of {size:,} bytes" for size in SESSIONS),
    "the same in a group that nobody else is in",
    "the same in a group with all others",
    *(f"message of {size:,} bytes that waits for a worker" for size in SIZES),
    f"delayed message of {LETTER_BYTES} bytes",
    f"dead letter of a message of {LETTER_BYTES} bytes, with its traceback",
)
"""Of the rows, in order."""


async def measure(place: Place) -> list[Row]:
    """All rows."""
    # The first connections make what every cluster has once: streams, consumers, tables.
    await connections(place, "/idle")
    taken = [await connections(place, "/idle")]
    taken += [await connections(place, f"/session/{size}") for size in SESSIONS]
    taken += [await connections(place, path) for path in ("/own-group", "/one-group")]
    async with crowd(place, "/idle") as sockets:
        taken += [await queued(place, sockets, size) for size in SIZES]
    taken.append(await left(place, "/later", place.keys.delayed, lambda key: int(place.redis.zcard(key))))
    taken.append(await left(place, "/fail", place.keys.dead(), lambda key: int(place.redis.xlen(key))))
    sizes = (0, *SESSIONS, 0, 0, *SIZES, LETTER_BYTES, LETTER_BYTES)
    return [Row(*row) for row in zip(NAMES, sizes, taken, strict=True)]


def shown(rows: Sequence[Row]) -> str:
    """The rows as a table in Markdown."""
    lines = [(row.what, f"{row.taken:,.0f}", number(row.taken - row.size)) for row in rows]
    return table(("what is in Redis", "bytes", "of it Trunkline's and Redis' own"), lines)


def written(document: str, rows: Sequence[Row], count: int, version: str) -> str:
    """A document with the table in its place.

    Raises:
        ValueError: it has no place for it.
    """
    about = f"Made by `python -m benchmarks.redis_memory --write-table`: {count:,} of each, Redis {version}."
    text, places = BLOCK.subn(lambda _: f"{about}\n\n{shown(rows)}\n", document)
    if places != 1:
        raise ValueError(f"expected one '<!-- redis memory -->' before an '<!-- end -->', found {places}")
    return text


def main(argv: Sequence[str]) -> int:
    """The command; returns its exit code."""
    settings = parse_or_exit(
        MemorySettings, argv, "python -m benchmarks.redis_memory", "Weighs what is kept in Redis."
    )
    raise_limit()
    with (
        tempfile.TemporaryDirectory(prefix="tl-") as folder,
        cluster(Path(folder), settings.connections) as place,
    ):
        version = place.redis.info("server")["redis_version"]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rows = runner.run(measure(place))
    print(shown(rows))
    if settings.write_table:
        DOCUMENT.write_text(written(DOCUMENT.read_text(), rows, settings.connections, version))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
