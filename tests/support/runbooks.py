"""The runbooks of docs/operations.md as a test plays them: what it types and looks for must stand in the page."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import redis

from tests.faults.own_redis import OwnRedis
from tests.support.commands import ROOT, Done, command
from tests.support.exposition import total
from tests.support.waiting import until
from trunkline.deploy import supervisor
from trunkline.deploy.cluster import stats_of
from trunkline.deploy.rundir import ClusterState, RunDir
from trunkline.protocol.messages import LeaseInfo
from trunkline.protocol.names import Keys

PAGE = ROOT / "docs" / "operations.md"
ROUTING = "tests.support.fault_app"
WITHIN_S = 180.0
"""For what comes within seconds, on a machine that has other things to do."""
LIMIT_S = 400.0
START_S = "300"


def section(heading: str) -> str:
    """What stands under a heading of the page, up to the next.

    Raises:
        AssertionError: there is no such heading.
    """
    found = re.search(
        rf"^### {re.escape(heading)}\n(.*?)(?=^##)", PAGE.read_text() + "\n##", re.M | re.DOTALL
    )
    assert found is not None, f"docs/operations.md has no '### {heading}'"
    return found[1]


def headings(under: str) -> list[str]:
    """The headings of the third level under one of the second."""
    found = re.search(rf"^## {re.escape(under)}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.DOTALL)
    assert found is not None, f"docs/operations.md has no '## {under}'"
    return re.findall(r"^### (.+)$", found[1], re.MULTILINE)


def typed(text: str) -> list[str]:
    """The commands in a section's blocks of code, without what stands behind a '#'."""
    return [line.split("  #")[0].strip() for line in re.findall(r"^\$ (.+)$", text, re.MULTILINE)]


@dataclass
class Site:
    """A cluster that runs, and its Redis, which is no process of it.

    Attributes:
        run_dir: of the cluster.
        redis: the server.
        data: a client of it.
    """

    run_dir: Path
    redis: OwnRedis
    data: Any  # redis-py's answers are of every type

    def do(self, *words: str) -> Done:
        """Types a ``trunkline`` command."""
        return command(*words, "--run-dir", self.run_dir, limit_s=LIMIT_S)

    @property
    def state(self) -> ClusterState:
        """What was started."""
        state = RunDir(self.run_dir).load()
        assert state is not None
        return state

    def url(self, path: str) -> str:
        """Address of a path."""
        return f"http://127.0.0.1:{self.state.port}{path}"

    def pids(self, role: str) -> list[int]:
        """Processes of a role."""
        return [member.pid for member in supervisor.members(self.state.cluster) if member.role == role]

    async def leases(self) -> list[LeaseInfo]:
        """Of all processes that hold one."""
        stats = await stats_of(self.state.layer_settings())
        return [*stats.interfaces, *stats.workers]

    @property
    def keys(self) -> Keys:
        """Names of its keys."""
        return Keys(self.state.layer_settings().prefix)

    def log(self, role: str) -> str:
        """All that a role has logged."""
        return RunDir(self.run_dir).log_file(role).read_text(errors="replace")

    async def healthy(self) -> None:
        """Waits until all is as it should be.

        Raises:
            AssertionError: it is not in time; the text has what is wrong.
        """

        async def well() -> bool:
            done = await asyncio.to_thread(self.do, "status", "--interval-s", "0.1")
            return done.code == 0

        try:
            await until(well, WITHIN_S, "trunkline status ends with 0")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.do('status').printed}") from error


@dataclass
class Runbook:
    """One of the page's, while a test plays it.

    Attributes:
        site: the cluster.
        text: what the page says.
        admins: the processes when it began.
        logged: characters that each role had logged then.
        played: commands that were typed.
    """

    site: Site
    text: str
    admins: list[LeaseInfo]
    logged: dict[str, int]
    played: set[str] = field(default_factory=set)

    def type(self, line: str, **words: str) -> Done:
        """Types a ``trunkline`` command of the page.

        Args:
            line: as it stands there.
            words: what takes the place of words in capitals.
        """
        self._note(line)
        arguments = [words.get(word, word) for word in shlex.split(line)]
        assert arguments.pop(0) == "trunkline"
        done = self.site.do(*arguments)
        print(f"$ {line} -> {done.code}\n{done.printed}")
        return done

    async def types_until(self, line: str, pattern: str) -> Done:
        """Types it again and again until its answer has the pattern, which is one of `shows`."""
        last: list[Done] = []

        async def shown() -> bool:
            last[:] = [await asyncio.to_thread(self.type, line)]
            return re.search(pattern, last[0].printed) is not None

        await until(shown, WITHIN_S, f"{line} shows {pattern!r}")
        return last[0]

    def asks_redis(self, line: str, **words: str) -> Any:
        """Runs a ``redis-cli`` command of the page."""
        self._note(line)
        arguments = [words.get(word, word) for word in shlex.split(line)]
        assert arguments.pop(0) == "redis-cli"
        answer = self.site.data.execute_command(*arguments)
        print(f"$ {line}\n{answer!r}")
        return answer

    def _note(self, line: str) -> None:
        assert line in typed(self.text), f"{line!r} does not stand in the runbook: {typed(self.text)}"
        self.played.add(line)

    async def logs(self, role: str, phrase: str) -> None:
        """Waits for a log line of this incident that the page names."""
        assert phrase in self.text, f"the runbook does not name {phrase!r}"
        before = self.logged[role]
        await until(lambda: phrase in self.site.log(role)[before:], WITHIN_S, f"{role} logs {phrase!r}")

    async def ready(self, role: str) -> list[tuple[int, str]]:
        """What ``/ready`` of the processes of a role says now; 0 where it does not answer."""
        answers = []
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for lease in self.admins:
                if lease.role != role:
                    continue
                try:
                    async with session.get(f"http://{lease.admin}/ready") as answer:
                        answers.append((answer.status, (await answer.text()).strip()))
                except (aiohttp.ClientError, TimeoutError):
                    answers.append((0, ""))
        print(f"/ready of {role}: {answers}")
        return answers

    async def knocks(self, path: str = "/echo/newcomer") -> tuple[int, str]:
        """Status of a handshake, and its ``Retry-After``; 101 if a WebSocket opened."""
        async with aiohttp.ClientSession() as session:
            try:
                async with session.ws_connect(self.site.url(path)):
                    return 101, ""
            except aiohttp.WSServerHandshakeError as refused:
                print(f"handshake: {refused.status} {refused.headers}")
                return refused.status, refused.headers.get("Retry-After", "") if refused.headers else ""

    async def metric(self, role: str, sample: str) -> float:
        """The sum of a sample, labels and all, over the processes of a role. The page must name its metric."""
        assert f"`{sample.partition('{')[0]}`" in self.text, f"the runbook does not name {sample}"
        found = 0.0
        async with aiohttp.ClientSession() as session:
            for lease in await self.site.leases():
                if lease.role != role:
                    continue
                async with session.get(f"http://{lease.admin}/metrics") as answer:
                    found += total(await answer.text(), sample)
        return found

    def complete(self) -> None:
        """Every ``trunkline`` and ``redis-cli`` command of the runbook was played.

        Raises:
            AssertionError: some were not.
        """
        shown = {line for line in typed(self.text) if line.split()[0] in ("trunkline", "redis-cli")}
        assert shown == self.played


@contextmanager
def site(folder: Path, place: Path, binary: str, environ: dict[str, str]) -> Iterator[Site]:
    """Starts a Redis, and a cluster of two interface servers and two workers with it; stops both in the end.

    Args:
        folder: run directory.
        place: for Redis, short.
        binary: of Redis.
        environ: settings of the cluster.
    """
    server = OwnRedis(place, binary)
    server.wait_until_it_answers()
    try:
        numbers = ["--interfaces", "2", "--workers", "2", "--drain-s", "5", "--start-timeout-s", START_S]
        started = command(
            "up", ROUTING, "--port", "0", "--run-dir", folder, *numbers,
            environ={"TRUNKLINE_REDIS_URL": server.url, **environ}, limit_s=LIMIT_S,
        )  # fmt: skip
        assert started.code == 0, started.printed
        with redis.Redis.from_url(server.url) as data:
            yield Site(folder, server, data)
    finally:
        command("down", "--run-dir", folder, limit_s=LIMIT_S)
        server.stop()
