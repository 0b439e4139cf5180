"""One of two shards is ill or away: what a person types or looks at names it, and the cluster goes on without it.

Workers begin without it and join it when it is back; interface servers say what they wait for.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redis

from tests.faults.load import Load
from tests.faults.own_redis import OwnRedis
from tests.faults.proxy import Proxy
from tests.faults.redises.direct import own_redis
from tests.faults.waits import SEVERAL
from tests.support.commands import Done, command
from tests.support.process import START_WITHIN_S
from tests.support.processes import Processes, new_prefix
from tests.support.redis_server import MISSING, find_binary
from tests.support.waiting import until
from tests.topologies.test_adding_a_shard import APP, address, check, finished
from trunkline.deploy.cluster import stats_of
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.messages import DeadLetter
from trunkline.protocol.redis_layer.sender import RedisSender

pytestmark = [pytest.mark.topologies, pytest.mark.timeout(300)]

WITHIN_S = 60.0
LATE_S = 0.26
LONGEST_S = 60.0
"""A command may take so long on a busy machine. One that waits for a shard until redis-py gives up takes longer."""


class TwoShards:
    """A cluster over two Redises of which a test has the second in its hand."""

    def __init__(self, redises: list[OwnRedis], folder: Path) -> None:
        self.redises = redises
        self.struck = redises[1]
        self.prefix = new_prefix()
        self.folder = folder
        self.stages: list[Processes] = []
        self.urls = [redis.url for redis in redises]
        self.processes = self.told_of(*self.urls)
        self.admins: dict[str, str] = {}

    def told_of(self, *urls: str) -> Processes:
        """Processes that are told of these URLs."""
        folder = self.folder / str(len(self.stages))
        folder.mkdir()
        self.stages.append(Processes(",".join(urls), self.prefix, folder))
        return self.stages[-1]

    async def run(self, *words: str) -> Done:
        """A command of ``trunkline`` about it."""
        where = ["--redis-url", ",".join(self.urls), "--prefix", self.prefix, "--run-dir", str(self.folder)]
        done = await asyncio.to_thread(command, *words, *where, limit_s=LONGEST_S)
        assert "Traceback" not in done.printed, done.printed
        return done

    async def run_all(self, *lines: str) -> dict[str, Done]:
        """Several of them at once."""
        done = await asyncio.gather(*(self.run(*line.split()) for line in lines))
        return dict(zip(lines, done, strict=True))

    async def get(self, path: str, role: str = "interface") -> tuple[int, str]:
        """A page of the admin server of a process, which has to answer at once whatever a shard does."""
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LONGEST_S)) as session,
            session.get(f"http://{self.admins[role]}{path}") as answer,
        ):
            if path == "/dashboard/events":
                return answer.status, await _first_facts(answer)
            return answer.status, await answer.text()


async def _first_facts(answer: aiohttp.ClientResponse) -> str:
    kind = ""
    async for line in answer.content:
        text = line.decode().strip()
        if text.startswith("event: "):
            kind = text.removeprefix("event: ")
        elif kind == "facts" and text.startswith("data: "):
            return text.removeprefix("data: ")
    raise AssertionError("the stream ended before it told anything")


@asynccontextmanager
async def made(folder: Path) -> AsyncIterator[TwoShards]:
    binary = find_binary()
    if binary is None:
        pytest.fail(MISSING, pytrace=False)
    with ExitStack() as places:
        found = TwoShards([own_redis(places, binary) for _ in range(2)], folder)
        try:
            yield found
        finally:
            for stage in found.stages:
                stage.end()
            for server in found.redises:
                server.stop()


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[TwoShards]:
    async with made(tmp_path) as found:
        yield found


async def cluster(two: TwoShards) -> None:
    """One interface server and one worker."""
    two.processes.interface("--waterfall-per-s", "0")
    two.processes.worker(routing=APP)
    await two.processes.ready()
    stats = await stats_of(two.processes.settings)
    two.admins = {lease.role: lease.admin for lease in (*stats.interfaces, *stats.workers)}


def samples(text: str, name: str) -> dict[str, float]:
    """Labels to value of a metric."""
    found = re.findall(rf"^trunkline_{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def finding(done: Done, check: str) -> dict[str, Any]:
    """What the doctor found."""
    found = [one for one in json.loads(done.out)["findings"] if one["check"] == check]
    assert found, done.printed
    return dict(found[0])


async def test_what_is_wrong_with_a_shard_is_said_of_that_shard_and_figures_are_summed(
    two: TwoShards,
) -> None:
    await cluster(two)
    for shard in (0, 1, 1):
        sender = RedisSender(two.processes.settings, shard)
        await asyncio.to_thread(sender.apply, [DeadLetter(b"x")])
        sender.close()

    async with Load([address(two.processes)], connections=8, waits=SEVERAL) as load:
        await load.goes_on(50)
        with closing(redis.Redis.from_url(two.struck.url)) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
            wrong = await two.run("doctor", "--json")
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", client.info("memory")["used_memory"])
            done = await two.run("doctor", "--json")
            client.config_set("maxmemory", 0)
        for looked, check_name in ((wrong, "eviction"), (done, "memory")):
            assert looked.code == ExitCode.UNWELL
            assert finding(looked, check_name)["where"] == f"shard 1, {two.struck.url}"
        facts = json.loads(done.out)["facts"]
        assert [server["shard"] for server in facts["servers"]] == [0, 1]
        assert facts["dead_letters"] == 3

        listed = await two.run("dead", "list")
        assert listed.code == 0 and listed.out.splitlines()[-1] == "dead letters kept: 3"
        assert sum("@1 " in line for line in listed.out.splitlines()) == 2
        top = await two.run("top", "--once")
        assert top.code == 0 and "dead letters: 3" in top.out
        assert [line.split(",")[0] for line in top.out.splitlines() if line.startswith("shard")] == [
            "shard 0",
            "shard 1",
        ]
        _, shown = await two.get("/metrics")
        assert samples(shown, "dead_letters_kept") == {'shard="0"': 1.0, 'shard="1"': 2.0}
        assert len(samples(shown, "mailbox_length")) == 2
        assert samples(shown, "shard_workers") == {'shard="0"': 1.0, 'shard="1"': 1.0}
        check(await finished(load))


async def test_a_shard_that_answers_late_is_named(two: TwoShards) -> None:
    await cluster(two)
    proxy = await Proxy.start(two.struck.url)
    proxy.delay_s = LATE_S / 2
    two.urls[1] = proxy.url
    try:
        doctor = await two.run("doctor", "--json")
        assert doctor.code == ExitCode.UNWELL
        told = [one["where"] for one in json.loads(doctor.out)["findings"] if "shard" in one["where"]]
        assert told and all(where.startswith("shard 1") for where in told), doctor.printed
        shards = await two.run("shards")
        assert shards.code == 0 and shards.out.splitlines()[2].split()[2:4] == ["1", "1"], shards.printed
    finally:
        await proxy.close()


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_while_a_shard_is_away_everything_names_it_and_the_other_is_shown(
    two: TwoShards, how: str
) -> None:
    await cluster(two)
    sender = RedisSender(two.processes.settings, 0)
    await asyncio.to_thread(sender.apply, [DeadLetter(b"x")])
    sender.close()
    async with Load([address(two.processes)], connections=8, waits=SEVERAL) as load:
        await load.goes_on(50)
        if how == "killed":
            two.struck.kill()
        else:
            two.struck.process.pause()

        async def noticed() -> bool:
            return 0.0 in samples((await two.get("/metrics"))[1], "shard_up").values()

        await until(noticed, WITHIN_S, "the interface server misses the shard")
        if (
            how == "killed"
        ):  # of one that is silent a worker hears nothing before it has something to say there
            assert await two.get("/ready", "worker") == (503, "shard 1 does not answer\n")

        # Side by side: each waits for the shard that says nothing.
        said = await two.run_all(
            "doctor --json",
            "top --once",
            "shards",
            "dead list",
            "dead list --summary",
            "dead drop --all",
            "dead show 1700000000000-0@1",
            "deploy status",
            "deploy share 5 --track v2",
            "log-level info",
        )
        doctor = said["doctor --json"]
        assert doctor.code == ExitCode.UNWELL
        away = finding(doctor, "redis")
        assert away["where"] == "shard 1" and two.struck.url in away["what"]
        assert {
            one["where"] for one in json.loads(doctor.out)["facts"]["channels"] if "where" in one
        } == set()
        top = said["top --once"]
        assert top.code == 0
        assert "shard 1 does not answer: " in top.out and "shard 0, " in top.out and "1 workers" in top.out
        shards = said["shards"]
        assert shards.code == ExitCode.NO_REDIS and f"shard 1: Redis at {two.struck.url}: " in shards.err
        assert shards.out.splitlines()[2].endswith(f"{two.struck.url}  does not answer")
        for words in ("dead list", "dead list --summary"):
            assert said[words].code == ExitCode.NO_REDIS
            assert "letters are missing here: shard 1: " in said[words].err
            assert "dead letters kept: 1" in said[words].out
        for words in ("dead drop --all", "dead show 1700000000000-0@1"):
            assert said[words].code == ExitCode.NO_REDIS and "shard 1: Redis at " in said[words].err
        deploy = said["deploy status"]
        assert deploy.code == 0 and "shard 1: Redis at " in deploy.err
        refused = said["deploy share 5 --track v2"]
        assert refused.code == ExitCode.NO_REDIS and "shard 1: " in refused.err
        assert said["log-level info"].code == 0

        assert await two.get("/ready") == (200, "ready\n")
        status, targets = await two.get("/targets")
        assert status == 200 and len(json.loads(targets)) == 2
        _, shown = await two.get("/metrics")
        assert samples(shown, "dead_letters_kept") == {'shard="0"': 1.0}
        assert samples(shown, "shard_up") == {'shard="0"': 1.0, 'shard="1"': 0.0}
        assert samples(shown, "live_workers") == samples(shown, "desired_workers") == {"": 1.0}
        status, page = await two.get("/dashboard/events")
        facts = json.loads(page)
        assert [one["shard"] for one in facts["away"]] == [1] and not facts["trouble"]
        assert {one["role"] for one in facts["processes"]} == {"interface", "worker", "redis"}

        if how == "killed":
            two.struck.restart()
        else:
            two.struck.process.resume()
        await load.goes_on(50)
        check(await finished(load))
    assert (await two.run("shards")).code == 0
    assert not (complaints := two.processes.complaints()), "\n".join(complaints)


async def test_a_worker_begins_without_a_shard_and_serves_it_once_it_is_back(two: TwoShards) -> None:
    await cluster(two)
    async with Load([address(two.processes)], connections=8, waits=SEVERAL) as load:
        await load.goes_on(50)
        two.struck.kill()
        # The only worker ends, and another begins while the shard is away.
        first = two.processes.workers[0]
        first.terminate()
        assert await first.ends() == 0
        second = two.processes.worker(routing=APP)
        await second.says(
            r"begins without shard=1 and joins it when it answers: cannot reach", START_WITHIN_S
        )
        await two.processes.ready()
        await load.goes_on(50)  # by the new worker alone, on the first shard alone

        two.struck.restart()
        await second.says(r"joined shard=1", WITHIN_S)
        await load.goes_on(100)
        check(await finished(load))
    assert (await two.run("shards")).out.splitlines()[2].split()[2:4] == ["1", "1"]
    assert not (complaints := two.processes.complaints()), "\n".join(complaints)


async def test_a_worker_with_a_wrong_url_for_a_shard_that_is_away_ends_once_it_answers(
    two: TwoShards,
) -> None:
    await cluster(two)
    other = two.told_of(two.urls[1], two.urls[0])
    two.struck.kill()

    # Told of them in the wrong order: what it can see is wrong already.
    wrong = other.worker(routing=APP)
    assert await wrong.ends() == ExitCode.USAGE
    assert "holds shard 0" in wrong.text()

    # Told of another deployment's shard in the place of the one that is away.
    stranger = Processes(",".join(two.urls), "other", two.folder)
    with closing(redis.Redis.from_url(two.urls[0])) as client:
        client.hset(stranger.keys.layout, mapping={"id": "x", "used": "2"})
    worker = stranger.worker(routing=APP)
    try:
        await worker.says(r"begins without shard=1", START_WITHIN_S)
        two.struck.restart()
        with closing(redis.Redis.from_url(two.struck.url)) as client:
            client.hset(
                Processes(",".join(two.urls), "other", two.folder, 1).keys.layout,
                mapping={"id": "y", "used": "2"},
            )
        code = await worker.ends()
    finally:
        stranger.end()
    assert code in (ExitCode.USAGE, -signal.SIGKILL)
    assert code == ExitCode.USAGE, worker.text()[-2000:]
    assert "holds shard 1 of another deployment" in worker.text()


async def test_an_interface_server_says_what_it_waits_for_and_begins_with_an_empty_redis_in_its_place(
    two: TwoShards,
) -> None:
    await cluster(two)
    two.struck.kill()

    refused = two.processes.interface()
    assert await refused.ends() == ExitCode.NO_REDIS
    assert f"shard 1: cannot reach Redis at {two.struck.url}: " in refused.text()
    assert "an interface server begins once every shard answers" in refused.text()
    two.processes.interfaces.remove(refused)

    two.struck.appendonly_file.unlink()
    two.struck.restart()
    two.processes.interface()
    await two.processes.ready()
    async with Load([two.processes.interfaces[-1].address], connections=8, waits=SEVERAL) as load:
        await load.goes_on(50)
        check(await finished(load))


async def test_a_shard_is_taken_out_while_nothing_lives_and_it_holds_nothing(two: TwoShards) -> None:
    await cluster(two)
    async with Load([address(two.processes)], connections=8, waits=SEVERAL) as load:
        await load.goes_on(50)
        sender = RedisSender(two.processes.settings, 1)
        await asyncio.to_thread(sender.apply, [DeadLetter(b"x")])
        sender.close()
        refused = await two.run("shards", "--use", "1")
        assert refused.code == 1 and "shard 1 holds " in refused.err and "1 dead letters" in refused.err
        assert (await two.run("dead", "drop", "--all")).code == 0
        check(await finished(load))
    refused = await two.run("shards", "--use", "1")
    assert refused.code == 1 and "processes live" in refused.err, refused.printed
    for process in (two.processes.interfaces[0], two.processes.workers[0]):
        process.terminate()
        assert await process.ends() == 0

    done = await two.run("shards", "--use", "1")

    assert done.code == 0, done.printed
    assert done.out == "newcomers use 1 shard: start every process with the first URL alone from now on\n"
    alone = two.told_of(two.urls[0])
    alone.interface()
    alone.worker(routing=APP)
    await alone.ready()
    async with Load([address(alone)], connections=8, waits=SEVERAL) as load:
        await load.goes_on(50)
        check(await finished(load))
    with closing(redis.Redis.from_url(two.struck.url)) as client:
        assert client.keys(f"*{two.prefix}*layout*") == []
