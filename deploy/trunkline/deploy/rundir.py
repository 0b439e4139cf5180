"""The run directory: what one cluster on this machine leaves on disk, and how its commands find it again.

::

    .run/
    ├── state.json    what `up` was asked for and what runs; exists exactly as long as the cluster is meant to
    ├── circus.ini    what the supervisor was told
    ├── exits.jsonl   every process that ended without being asked to
    ├── retiring/     one empty file for each pid that `scale` sends home, so that it is not replaced
    ├── releases/     which code the workers of each watcher run (see `release`)
    ├── lock          held by the command that changes the cluster
    ├── log/          <role>.log, and circusd.log of the supervisor itself
    ├── prometheus/   configuration and data of its Prometheus, if it has one; survives `down`
    └── redis/        configuration and append-only file of the cluster's own Redis; survives `down`
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.settings import LayerSettings

MAX_SOCKET_PATH_BYTES = 90
"""A Unix socket's path may have 107 bytes (``sun_path``, unix(7)); the rest is room for ZeroMQ's own suffixes."""

_LONGEST_SOCKET = "circus-events.sock"
STOP_ORDER = ("interface", "canary", "worker", "redis")
"""Interface servers first, so that workers still handle their disconnects, those of a canary before those who can
serve its connections; Redis when nobody needs it any more."""

MAX_EXITS = 200
"""Lines of ``exits.jsonl`` that are kept, so that a process that fails for days does not fill the disk."""


@dataclass(frozen=True, slots=True)
class ClusterState:
    """One running cluster.

    Attributes:
        cluster: random mark that every process of it carries in its environment.
        asked: the settings of `up` that make two clusters differ, as they were asked for.
        host: where the interface servers listen.
        port: the port they share, also where 0 was asked for.
        routing: routing module of the workers.
        interfaces: how many are wanted.
        workers: how many are wanted.
        canaries: how many workers of a canary are wanted.
        own_redis: whether Redis is one of the cluster's processes.
        drain_s: seconds a process may take to stop.
        started_s: Unix time.
        layer: `LayerSettings` that reach this cluster's Redis.
        prometheus: address of the page of its Prometheus; empty if it has none.
    """

    cluster: str
    asked: dict[str, Any] = field(repr=False)  # the URL of a Redis is among it
    host: str
    port: int
    routing: str
    interfaces: int
    workers: int
    own_redis: bool
    drain_s: float
    started_s: float
    layer: dict[str, Any] = field(repr=False)
    canaries: int = 0
    prometheus: str = ""

    def layer_settings(self) -> LayerSettings:
        """Settings for a layer of this cluster."""
        return LayerSettings(**self.layer)

    def wanted(self, role: str) -> int:
        """How many processes of a role there shall be."""
        return {
            "interface": self.interfaces,
            "worker": self.workers,
            "canary": self.canaries,
            "redis": int(self.own_redis),
            "prometheus": int(bool(self.prometheus)),
        }[role]

    def scaled(self, interfaces: int, workers: int) -> ClusterState:
        """The same cluster with other numbers."""
        asked = {**self.asked, "interfaces": interfaces, "workers": workers}
        return replace(self, asked=asked, interfaces=interfaces, workers=workers)

    def as_asked(self) -> ClusterState:
        """The same cluster without what a command that was killed in its middle had wanted for a moment."""
        return self.scaled(self.asked["interfaces"], self.asked["workers"])

    def with_one_more(self, role: str) -> ClusterState:
        """The same cluster with one process more of a role, for as long as one takes another's place."""
        if role == "interface":
            return replace(self, interfaces=self.interfaces + 1)
        return replace(self, workers=self.workers + 1)


@dataclass(frozen=True, slots=True)
class Exit:
    """A process that ended without being asked to.

    Attributes:
        time_s: Unix time.
        role: its watcher's name.
        pid: its process id.
        exit_code: negative is the signal that killed it, None where circus could not tell.
        lived_s: seconds since its start.
        then: what becomes of it, in words.
    """

    time_s: float
    role: str
    pid: int
    exit_code: int | None
    lived_s: float
    then: str


class RunDir:
    """Paths and files of one run directory.

    Args:
        path: the directory; made, readable only by its owner, when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.state_file = self.path / "state.json"
        self.config_file = self.path / "circus.ini"
        self.exits_file = self.path / "exits.jsonl"
        self.retiring = self.path / "retiring"
        self.releases = self.path / "releases"
        self.log = self.path / "log"
        self.redis = self.path / "redis"
        self.prometheus = self.path / "prometheus"

    @property
    def sockets(self) -> Path:
        """Where Unix sockets are: here, or in a short directory of the system's temporary one."""
        if len(os.fsencode(self.path / _LONGEST_SOCKET)) <= MAX_SOCKET_PATH_BYTES:
            return self.path
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"trunkline-{os.getuid()}-{digest}"

    @property
    def redis_socket(self) -> Path:
        """Unix socket of the cluster's own Redis."""
        return self.sockets / "redis.sock"

    @property
    def endpoint(self) -> str:
        """Where circusd takes commands."""
        return f"ipc://{self.sockets / 'circus.sock'}"

    @property
    def events_endpoint(self) -> str:
        """Where circusd tells what happens."""
        return f"ipc://{self.sockets / _LONGEST_SOCKET}"

    def release(self, role: str) -> Path:
        """What the workers of a watcher run."""
        return self.releases / f"{role}.json"

    def log_file(self, role: str) -> Path:
        """Log of a role's processes."""
        return self.log / f"{role}.log"

    def make(self) -> None:
        """Makes the directories, for this user alone.

        Raises:
            ConfigError: it cannot be made, or belongs to somebody else.
        """
        for directory in (self.path, self.log, self.redis, self.retiring, self.releases, self.sockets):
            try:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                # Not through a link: below the system's temporary folder anybody may have laid one.
                found = directory.lstat()
            except OSError as error:
                raise ConfigError(
                    f"run directory {directory}: {error.strerror}; choose another with --run-dir"
                ) from error
            if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
                raise ConfigError(
                    f"run directory {directory} belongs to user {found.st_uid}, or is a link; choose another with "
                    "--run-dir"
                )
            if found.st_mode & 0o077:
                # Whoever reaches the sockets in it commands the cluster, and runs code as this user.
                raise ConfigError(
                    f"run directory {directory} is open to others (mode {found.st_mode & 0o777:o}); "
                    f"'chmod 700 {directory}', or choose another with --run-dir"
                )

    def load(self) -> ClusterState | None:
        """The cluster that was started here and not taken down, running or not.

        Raises:
            ConfigError: ``state.json`` is not one that this version wrote.
        """
        try:
            text = self.state_file.read_text()
        except FileNotFoundError:
            return None
        try:
            return ClusterState(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise ConfigError(
                f"{self.state_file} cannot be read ({error}): end the cluster's processes by hand and remove it"
            ) from error

    def save(self, state: ClusterState) -> None:
        """Writes ``state.json``, whole or not at all; it may hold the password of a Redis."""
        _write(self.state_file, json.dumps(asdict(state), indent=2))

    def forget(self) -> None:
        """Removes all but the logs and Redis' data."""
        files = [
            self.state_file,
            self.config_file,
            self.exits_file,
            *self.retiring.glob("*"),
            *self.releases.glob("*"),
        ]
        sockets = [
            self.redis_socket,
            *(Path(url.removeprefix("ipc://")) for url in (self.endpoint, self.events_endpoint)),
        ]
        for file in (*files, *sockets):
            file.unlink(missing_ok=True)
        for directory in (self.retiring, self.releases, self.sockets):
            if directory != self.path and directory.exists():
                directory.rmdir()

    def exits(self) -> list[Exit]:
        """The processes that ended without being asked to, oldest first."""
        try:
            lines = self.exits_file.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [Exit(**json.loads(line)) for line in lines]

    def add_exit(self, ended: Exit) -> None:
        """Notes an exit; the oldest of more than `MAX_EXITS` are forgotten."""
        kept = [*self.exits(), ended][-MAX_EXITS:]
        _write(self.exits_file, "".join(json.dumps(asdict(item)) + "\n" for item in kept))

    @contextmanager
    def lock(self, on_wait: Callable[[], None]) -> Iterator[None]:
        """Keeps other commands from changing this cluster meanwhile.

        Args:
            on_wait: called once if another command holds the lock; then this one waits for it.
        """
        with open(self.path / "lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
