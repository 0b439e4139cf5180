"""A Redis with replicas, and Sentinels that watch it: processes of a test's own, on ports of the kernel's choice."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.support import full_disk
from tests.support.process import START_WITHIN_S, Process
from tests.support.redis_server import PATIENT_MS, Restartable, folder

SERVICE = "main"
DOWN_AFTER_MS = 1000
FAILOVER_TIMEOUT_MS = 10_000
PAUSE_MS = 60_000
_TRIES = 5
"""Of a start: the port that the kernel chose may be somebody else's by then."""
_POLL_S = 0.05


class Server(Restartable):
    """One process on a TCP port: a Redis, or a Sentinel.

    Args:
        name: for messages.
        binary: the server program.
        place: for its files.
        config: lines of its configuration, made when its port is known.
        program: arguments behind the configuration's name.
    """

    def __init__(
        self,
        name: str,
        binary: str,
        place: Path,
        config: Callable[[int], Sequence[str]],
        program: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.folder = place
        self._conf = place / f"{name}.conf"
        self._command = [binary, str(self._conf), *program]
        place.mkdir()
        for _ in range(_TRIES):
            self.port = _free_port()
            self.url = f"redis://127.0.0.1:{self.port}"
            self._conf.write_text("\n".join((f"port {self.port}", f"dir {place}", *config(self.port), "")))
            self.process = self._start()
            if self.answers():
                return
        raise AssertionError(f"{name} does not answer:\n{self.process.text()}")

    def _start(self) -> Process:
        return Process(self.name, full_disk.survived(self._command), self.folder / "log")

    def client(self) -> redis.Redis:
        """A client of it."""
        return redis.Redis("127.0.0.1", self.port, protocol=2, decode_responses=True, socket_timeout=5)

    def ask(self, *command: str) -> Any:
        """The answer to one command."""
        with closing(self.client()) as client:
            asked: Any = client.execute_command  # it declares no types
            return asked(*command)

    def answers(self) -> bool:
        """Whether it answers, which may take a moment; False if it ends first."""
        deadline_s = time.monotonic() + START_WITHIN_S
        while self.process.exit_code is None and time.monotonic() < deadline_s:
            try:
                return bool(self.ask("PING"))
            except redis.RedisError:
                time.sleep(_POLL_S)
        return False

    def is_replica_of(self, port: int) -> bool:
        """Whether it copies that one, and has all it had."""
        info = self.info()
        return bool(info.get("master_port") == port and info.get("master_link_status") == "up")

    def info(self) -> dict[str, Any]:
        """What it says of its replication."""
        with closing(self.client()) as client:
            found: Any = client.info("replication")
        return dict(found)


class SentinelSet:
    """A primary, its replicas and their Sentinels.

    Args:
        place: for their files.
        binary: the server program.
        replicas: how many.
        sentinels: how many; more than half of them must agree that the primary is gone.
        redis_lines: more lines of each Redis' configuration.
        sentinel_lines: the same of each Sentinel.

    Attributes:
        redises: the first primary, and its replicas.
        sentinels: the Sentinels.
        url: for `LayerSettings.redis_url`.
    """

    def __init__(
        self,
        place: Path,
        binary: str,
        replicas: int = 2,
        sentinels: int = 3,
        redis_lines: Sequence[str] = (),
        sentinel_lines: Sequence[str] = (),
    ) -> None:
        self.redises: list[Server] = []
        self.sentinels: list[Server] = []
        try:
            for number in range(1 + replicas):
                self.redises.append(self._redis(f"redis-{number}", binary, place, redis_lines))
            for number in range(sentinels):
                self.sentinels.append(
                    self._sentinel(f"sentinel-{number}", binary, place, sentinels, sentinel_lines)
                )
            wait_for(lambda: all(map(self._knows_all, self.sentinels)), "the Sentinels know each other")
        except BaseException:
            self.stop()
            raise
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        self.url = f"redis+sentinel://{hosts}/{SERVICE}"

    def _redis(self, name: str, binary: str, place: Path, lines: Sequence[str]) -> Server:
        first = self.redises[0] if self.redises else None
        made = Server(
            name,
            binary,
            place / name,
            lambda port: (
                "bind 127.0.0.1",
                "appendonly yes",
                'save ""',
                "maxmemory-policy noeviction",
                "repl-diskless-sync yes",
                "repl-diskless-sync-delay 0",
                *([f"replicaof 127.0.0.1 {first.port}"] if first is not None else []),
                *lines,
            ),
        )
        if first is not None:
            wait_for(lambda: made.is_replica_of(first.port), f"{name} is a replica")
        return made

    def _sentinel(self, name: str, binary: str, place: Path, count: int, lines: Sequence[str]) -> Server:
        return Server(
            name,
            binary,
            place / name,
            lambda port: (
                "bind 127.0.0.1",
                f"sentinel monitor {SERVICE} 127.0.0.1 {self.redises[0].port} {count // 2 + 1}",
                f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
                f"sentinel failover-timeout {SERVICE} {FAILOVER_TIMEOUT_MS}",
                *lines,
            ),
            ["--sentinel"],
        )

    def _knows_all(self, sentinel: Server) -> bool:
        words = sentinel.ask("SENTINEL", "MASTER", SERVICE)
        told = dict(zip(words[::2], words[1::2], strict=True))
        return (
            int(told["num-slaves"]) == len(self.redises) - 1
            and int(told["num-other-sentinels"]) == len(self.sentinels) - 1
            and told["flags"] == "master"
        )

    @property
    def primary(self) -> Server:
        """Which one Sentinel says is the primary."""
        for sentinel in self.sentinels:
            if sentinel.process.exit_code is None:
                _, port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
                return next(one for one in self.redises if one.port == int(port))
        raise AssertionError("no Sentinel runs")

    @property
    def processes(self) -> list[Process]:
        """All of them."""
        return [one.process for one in (*self.redises, *self.sentinels)]

    def caught_up(self) -> None:
        """Blocks until every replica has what the primary has written by now (see ``WAIT``)."""
        wanted = len(self.redises) - 1

        def have_all() -> bool:
            with closing(self.primary.client()) as client:
                try:
                    client.set("catch up", 1, px=1)
                    return int(client.wait(wanted, 1000)) == wanted
                except redis.ResponseError:
                    return False  # NOREPLICAS: one that was cut off on a busy machine is not back yet

        wait_for(have_all, "no replica is left behind")

    def fail_over(self) -> None:
        """Asks for a fail-over as an operator does; returns when Sentinel has another primary."""
        before = self.primary
        wait_for(self._begins_to, "Sentinel knows a replica that it would promote")
        wait_for(lambda: self.primary is not before, "another primary")

    def _begins_to(self) -> bool:
        try:
            self.sentinels[0].ask("SENTINEL", "FAILOVER", SERVICE)
        except redis.ResponseError as error:
            if "NOGOODSLAVE" in str(error):
                return False
            raise
        return True

    def fail_over_in_order(self) -> None:
        """The same, with no write forgotten: the steps of docs/redis.md."""
        before = self.primary
        before.ask("CLIENT", "PAUSE", str(PAUSE_MS), "WRITE")
        wait_for(lambda: _all_have_all(before.info()), "each replica has every write")
        self.fail_over()
        before.ask("REPLICAOF", "127.0.0.1", str(self.primary.port))
        before.ask("CLIENT", "KILL", "TYPE", "normal")
        before.ask("CLIENT", "UNPAUSE")

    def be_patient(self, down_after_ms: int = PATIENT_MS) -> None:
        """How long the primary may be silent from now on until it is taken for dead."""
        for sentinel in self.sentinels:
            sentinel.ask("SENTINEL", "SET", SERVICE, "down-after-milliseconds", str(down_after_ms))

    def stop(self) -> None:
        """Ends all of them."""
        for process in reversed(self.processes):
            process.resume()
            process.kill()


def _all_have_all(info: Mapping[str, Any]) -> bool:
    replicas = [info[name] for name in info if name.startswith("slave") and isinstance(info[name], dict)]
    return bool(replicas) and all(one["offset"] == info["master_repl_offset"] for one in replicas)


def wait_for(condition: Callable[[], bool], what: str, within_s: float = START_WITHIN_S) -> None:
    """Blocks until something holds: without it no test can go on.

    Raises:
        AssertionError: it does not in time.
    """
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {within_s} s: {what}"
        time.sleep(_POLL_S)


@contextmanager
def sentinel_set(binary: str, **options: Any) -> Iterator[SentinelSet]:
    """A set that ends with the block; arguments as of `SentinelSet`."""
    with folder() as place:
        made = SentinelSet(place, binary, **options)
        try:
            yield made
        finally:
            made.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
