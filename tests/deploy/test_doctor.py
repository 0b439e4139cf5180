"""``trunkline doctor`` on real processes and a real Redis to which something was done.

What is asserted is that one finding, not that there are no others: a busy machine has some of its own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.deploy.diagnosis.test_checks import HEALTHY
from tests.security.acl.server import PASSWORD, AclServer, acl_server
from tests.support import redis_server as servers
from tests.support.commands import command
from tests.support.processes import Processes
from tests.support.waiting import until
from trunkline.deploy import doctor
from trunkline.deploy.diagnosis.checks import diagnose
from trunkline.deploy.diagnosis.finding import Finding
from trunkline.deploy.settings import DoctorSettings
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.settings import LayerSettings
from trunkline.worker import Channel, outside

pytestmark = pytest.mark.timeout(300)

APP = "tests.support.paced_app"
LIMIT_S = 100.0


@pytest.fixture(scope="module")
def own_redis() -> Iterator[servers.Redis]:
    """A Redis as a cluster wants it, that a test may spoil."""
    binary = servers.find_binary()
    if binary is None:
        pytest.fail(servers.MISSING, pytrace=False)
    with servers.folder() as folder:
        server = servers.Redis(folder, binary, appendonly=True)
        try:
            server.wait_until_it_answers()
            yield server
        finally:
            server.process.stop()


@pytest.fixture
def admin(own_redis: servers.Redis) -> Iterator[redis.Redis]:
    with closing(redis.Redis.from_url(own_redis.url)) as client:
        before: Any = client.config_get("*")
        yield client
        for name in (
            "maxmemory-policy",
            "appendonly",
            "client-output-buffer-limit",
            "slowlog-log-slower-than",
        ):
            client.config_set(name, before[name])


@pytest.fixture
async def processes(own_redis: servers.Redis, tmp_path: Path) -> AsyncIterator[Processes]:
    running = Processes(own_redis.url, f"doctor-{tmp_path.name}"[:50], tmp_path)
    try:
        yield running
    finally:
        running.end()


async def findings(processes: Processes, interval_s: float = 0.5) -> list[Finding]:
    """What the command would say now, without starting it each time."""
    return diagnose(await doctor.examined(processes.settings, interval_s), processes.settings)


async def finds(processes: Processes, check: str, *words: str, interval_s: float = 0.5) -> Finding:
    """The finding of this check that has these words, as soon as there is one."""
    seen: list[Finding] = []

    async def look() -> Finding | None:
        seen[:] = await findings(processes, interval_s)
        told = [item for item in seen if item.check == check and all(word in str(item) for word in words)]
        return told[0] if told else None

    try:
        found: Finding | None = await until(look, LIMIT_S, f"{check} is found")
    except AssertionError as late:
        raise AssertionError(f"{late}: {seen}") from None
    assert found is not None and found.fix
    return found


def send(processes: Processes, channel: str, content: dict[str, Any], times: int = 1) -> None:
    with outside(processes.url, prefix=processes.settings.prefix):
        for _ in range(times):
            Channel(channel).send(content)


@pytest.mark.parametrize(
    ("code", "well"), [(ExitCode.OK, True), (ExitCode.UNWELL, False)], ids=["healthy", "not healthy"]
)
def test_its_exit_code_is_its_verdict(
    code: ExitCode, well: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def examined(*_: object) -> object:
        return HEALTHY

    monkeypatch.setattr(doctor, "examined", examined)
    if not well:
        monkeypatch.setattr(
            doctor, "diagnose", lambda *_: [Finding("eviction", "error", "Redis", "what", "fix")]
        )

    assert doctor.run(DoctorSettings.model_validate({"redis_url": "redis://host"})) == code
    assert ("NOT HEALTHY" in capsys.readouterr().out) is not well


async def test_what_is_well_is_not_complained_of_and_what_is_spoiled_is(
    processes: Processes, admin: redis.Redis
) -> None:
    await processes.start(1, 0)
    processes.worker(routing=APP)
    await processes.ready()

    before = await findings(processes)
    assert not {finding.check for finding in before} & {
        "eviction", "output-buffers", "memory", "rights", "redis-connections", "unserved", "redis", "redis-away",
        "dead-letters", "mailbox", "hot-group", "versions", "turned-away",
    }  # fmt: skip
    assert not [finding for finding in before if "no append-only file" in finding.what]

    admin.config_set("maxmemory-policy", "allkeys-lru")
    await finds(processes, "eviction", "allkeys-lru", "CONFIG SET maxmemory-policy noeviction")
    where = ["--redis-url", processes.url, "--prefix", processes.settings.prefix]
    done = await asyncio.to_thread(command, "doctor", *where, "--json", "--interval-s", "0.5")
    told = json.loads(done.out)
    assert (done.code, done.err, told["healthy"]) == (ExitCode.UNWELL, "", False)
    assert "eviction" in {finding["check"] for finding in told["findings"]}
    known = {processes.interfaces[0].id, processes.workers[0].id}
    # One that is short of CPU may have lost its lease for a moment.
    assert {process["id"] for process in told["facts"]["processes"]} <= known
    admin.config_set("appendonly", "no")
    await finds(processes, "persistence", "no append-only file", "CONFIG SET appendonly yes")
    admin.config_set("client-output-buffer-limit", "normal 1000000 0 0")
    await finds(processes, "output-buffers", "1.0 MB")
    admin.eval("local n = 0 while n < 3e7 do n = n + 1 end", 0)
    await finds(processes, "slow-commands", "took over 50 ms")

    send(processes, "fail", {}, times=3)
    await finds(processes, "dead-letters", "3 dead letters are kept", "trunkline dead list")


async def test_a_worker_whose_event_loop_is_held_is_named(processes: Processes) -> None:
    worker = processes.worker(routing=APP)
    await processes.ready()
    send(processes, "block", {"seconds": 25})

    silent = await finds(processes, "silent", worker.id)

    assert silent.severity == "error" and "'def' handler" in silent.what
    # When it is over, what it was is told for a while.
    await finds(processes, "loop-lag", worker.id)


async def test_a_worker_that_is_stopped_is_missed_and_its_lease_is_told(processes: Processes) -> None:
    worker = processes.worker(routing=APP)
    await processes.ready()
    worker.pause()
    try:
        # The only worker: nobody else is there to declare it dead.
        await finds(processes, "lease", worker.id, "ago")
        await finds(processes, "missing", "no worker holds a lease")
    finally:
        worker.resume()


async def test_a_channel_with_entries_that_no_worker_reads_is_named(processes: Processes) -> None:
    first = processes.worker(routing=APP)
    await processes.ready()
    first.terminate()
    await first.ends(LIMIT_S)
    processes.worker("--exclude-channels", "work", routing=APP)
    await processes.ready()
    send(processes, "work", {}, times=4)

    unserved = await finds(processes, "unserved", "channel work", "4 entries wait")

    assert "--exclude-channels" in unserved.fix


async def test_workers_that_can_do_no_more_are_the_bottleneck(processes: Processes) -> None:
    processes.worker(routing=APP)
    await processes.ready()
    send(processes, "work", {}, times=3000)

    await finds(processes, "saturated", "workers", "trunkline_desired_workers", interval_s=2.0)
    await finds(processes, "queue", "channel work")


async def test_processes_of_different_code_are_told(processes: Processes) -> None:
    for version in ("v1", "v2"):
        processes.worker("--code-version", version, routing=APP)
    await processes.ready()

    await finds(processes, "code-versions", "v1 (1 of 2)", "v2 (1 of 2)")


@pytest.fixture(scope="module")
def acl() -> Iterator[AclServer]:
    with acl_server() as server:
        yield server


def test_the_shipped_user_is_told_what_it_may_not_see(acl: AclServer) -> None:
    done = command("doctor", "--redis-url", acl.url(), "--interval-s", "0.1")

    assert "not seen: the configuration (CONFIG GET): user 'trunkline' may not run CONFIG" in done.out
    assert "rights" not in done.out and PASSWORD not in done.printed
    assert done.code == ExitCode.UNWELL  # nobody lives there


def test_a_user_that_lacks_a_right_is_told_which_and_how_to_get_it(acl: AclServer) -> None:
    done = command("doctor", "--redis-url", acl.user_without("hset"), "--interval-s", "0.1")

    assert "this user may not run HSET" in done.out and "docs/redis.md" in done.out and "+hset" in done.out
    assert done.code == ExitCode.UNWELL


def test_a_user_that_may_not_even_look_is_told_so(acl: AclServer) -> None:
    done = command("doctor", "--redis-url", acl.user_without("smembers"), "--interval-s", "0.1")

    assert "user 'lacking' may not run SMEMBERS" in done.out and "docs/redis.md" in done.out
    assert done.code == ExitCode.NO_REDIS


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["plain", "json"])
def test_a_redis_that_is_away_is_told_with_what_to_do(tmp_path: Path, flags: list[str]) -> None:
    done = command("doctor", "--redis-url", f"unix://{tmp_path}/nobody", *flags)

    assert done.code == ExitCode.NO_REDIS and done.err == ""
    assert "TRUNKLINE_REDIS_URL" in done.out
    if flags:
        (finding,) = json.loads(done.out)["findings"]
        assert (finding["check"], finding["severity"]) == ("redis", "error")


@pytest.mark.parametrize("flags", [{}], ids=str)
def test_where_nothing_runs_it_says_how_to_start_or_to_find_a_cluster(
    flags: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A Redis of somebody else may answer at the real default.
    monkeypatch.setattr(LayerSettings.model_fields["redis_url"], "default", f"unix://{tmp_path}/nobody")
    monkeypatch.delenv("REDIS_URL", raising=False)

    assert doctor.run(DoctorSettings(run_dir=tmp_path / ".run", **flags)) == ExitCode.NO_REDIS

    told = capsys.readouterr()
    assert told.out == ""
    assert f"no cluster is running in {tmp_path}/.run" in told.err and "'make up'" in told.err


def test_a_run_directory_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")

    done = command("doctor", "--run-dir", tmp_path)

    assert done.code == ExitCode.FAILED and "cannot be read" in done.err and "Traceback" not in done.err
