"""Every check, on facts that it complains of and on facts that it does not: pure, so nothing is started here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.protocol.process.facts.make import a_lease, a_process
from trunkline.deploy.diagnosis.checks import CHECKS, busiest, busiest_text, diagnose
from trunkline.deploy.diagnosis.finding import Finding
from trunkline.protocol.process.facts import (
    ChannelFacts,
    Facts,
    MachineFacts,
    RouteFacts,
    ServerFacts,
    SlowCommand,
)
from trunkline.protocol.process.facts.hot import HotGroup
from trunkline.protocol.process.facts.samples import Samples
from trunkline.protocol.settings import LayerSettings

SETTINGS = LayerSettings.model_validate({"capacity": 1000, "mailbox_capacity": 4000})
INFO: dict[str, Any] = {
    "redis_version": "7.2.4",
    "role": "master",
    "loading": 0,
    "maxmemory_policy": "noeviction",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "used_memory": 10_000_000,
    "used_memory_rss": 12_000_000,
    "maxmemory": 100_000_000,
    "total_system_memory": 1_000_000_000,
    "connected_clients": 20,
    "maxclients": 10_000,
    "evicted_keys": 0,
    "rejected_connections": 0,
    "aof_delayed_fsync": 0,
    "latest_fork_usec": 900,
    "used_cpu_user_main_thread": 1.0,
    "used_cpu_sys_main_thread": 1.0,
    "cmdstat_xadd": {"calls": 1, "usec": 10, "rejected_calls": 0},
}
CONFIG = {
    "appendfsync": "everysec",
    "client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    "maxclients": "10000",
    "tcp-backlog": "511",
}
SERVER = ServerFacts(
    "redis://host", INFO, CONFIG, at_s=12.0, leases={"i1": 2.5, "w1": 1.0, "w2": 1.0}, local=True
)
INTERFACE = "process_open_fds 20\nprocess_max_fds 65536\ntrunkline_connections 5\ntrunkline_redis_up 1\n"
INTERFACE += "trunkline_listen_backlog 1024\ntrunkline_somaxconn 4096\n"
WORKER = "process_open_fds 20\nprocess_max_fds 1024\ntrunkline_redis_up 1\n"
HEALTHY = Facts(
    1000.0,
    span_s=2.0,
    servers=(SERVER,),
    processes=(
        a_process("i1", INTERFACE, clock_off_s=0.01),
        a_process("w1", WORKER, clock_off_s=0.0),
        a_process("w2", WORKER),
    ),
    channels=(ChannelFacts("websocket.receive", 3, 2, 0.1, 0.01, served_by=2),),
    routes=(RouteFacts("app.echo", 10, 5.0, 0.01, 0.02, 0, 0),),
    mailboxes={"i1": 30},
    machine=MachineFacts("host", 4096, 1, "madvise"),
)


def found(facts: Facts, check: str = "") -> list[Finding]:
    return [item for item in diagnose(facts, SETTINGS) if not check or item.check == check]


def with_server(info: Mapping[str, Any] | None = None, **changes: Any) -> Facts:
    return replace(HEALTHY, servers=(replace(SERVER, info={**INFO, **(info or {})}, **changes),))


def since(earlier: Mapping[str, Any], **later: Any) -> Facts:
    """Facts of two looks at a Redis, two seconds apart."""
    return with_server(later, before=replace(SERVER, info={**INFO, **earlier}, at_s=10.0))


def with_process(identity: str, text: str = "", before: str | None = "", **values: Any) -> Facts:
    """The healthy cluster, in which one process tells more."""
    base = INTERFACE if identity.startswith("i") else WORKER
    made = a_process(identity, base + text, before, **values)
    return replace(
        HEALTHY, processes=tuple(made if process.id == identity else process for process in HEALTHY.processes)
    )


def with_channel(**values: Any) -> Facts:
    made = {"channel": "jobs", "waiting": 5, "in_work": 0, "served_by": 1, **values}
    return replace(HEALTHY, channels=(ChannelFacts(**made),))


def test_a_healthy_cluster_has_no_finding() -> None:
    assert found(HEALTHY) == []
    assert len(CHECKS) == len(set(CHECKS)) >= 25


@pytest.mark.parametrize(
    ("facts", "check", "severity", "what"),
    [
        # Redis
        (with_server({"maxmemory_policy": "allkeys-lru"}), "eviction", "error", "maxmemory-policy is allkeys-lru"),
        (with_server({"evicted_keys": 7}), "eviction", "error", "thrown 7 keys away"),
        (with_server({"aof_enabled": 0}), "persistence", "warning", "no append-only file"),
        (with_server(config={"appendfsync": "no"}), "persistence", "warning", "appendfsync is no"),
        (with_server({"aof_last_write_status": "err"}), "persistence", "error", "could not be written"),
        (with_server({"aof_last_bgrewrite_status": "err"}), "persistence", "error", "rewritten"),
        (with_server({"rdb_last_bgsave_status": "err"}), "persistence", "error", "snapshot failed"),
        (since({}, aof_delayed_fsync=3), "persistence", "warning", "waiting 3 times"),
        (
            with_server(config={"client-output-buffer-limit": "normal 1000000 0 0 slave 1 1 1"}),
            "output-buffers",
            "warning",
            "1.0 MB",
        ),
        (with_server(clients={"trunkline-mailbox": 20_000_000}), "output-buffers", "warning", "20.0 MB unread"),
        (with_server({"used_memory": 81_000_000}), "memory", "warning", "81 % of maxmemory"),
        (with_server({"used_memory": 96_000_000}), "memory", "error", "96 % of maxmemory"),
        (
            with_server({"maxmemory": 0, "used_memory_rss": 900_000_000}),
            "memory",
            "warning",
            "no maxmemory is set",
        ),
        (since({}, used_cpu_user_main_thread=2.5), "redis-cpu", "warning", "75 % of the one core"),
        (
            since({}, used_cpu_user_main_thread=3.0, cmdstat_xadd={"calls": 9, "usec": 99}),
            "redis-cpu",
            "error",
            "most of it for XADD",
        ),
        (with_server(slow=(SlowCommand(990.0, 0.2, "KEYS *"),)), "slow-commands", "warning", "200 ms: KEYS *"),
        (with_server({"latest_fork_usec": 900_000}), "slow-commands", "warning", "0.9 s"),
        (with_server(lacking=("HSET", "XGROUP CREATE")), "rights", "error", "may not run HSET, XGROUP CREATE"),
        (
            since(
                {"errorstat_NOPERM": {"count": 1}},
                errorstat_NOPERM={"count": 4},
                cmdstat_zadd={"calls": 0, "usec": 0, "rejected_calls": 3},
            ),
            "rights",
            "warning",
            "ZADD (3)",
        ),
        (with_server({"connected_clients": 9000}), "redis-connections", "error", "9000 of at most 10000"),
        (
            with_server({"connected_clients": 9000, "maxclients": 0}, config={}),
            "redis-connections",
            None,
            "",
        ),
        (since({}, rejected_connections=2), "redis-connections", "error", "turned 2 connections away"),
        (with_server({"role": "slave"}), "redis-connections", "error", "is a replica"),
        (with_server({"loading": 1}), "redis-connections", "error", "still loading"),
        # machines
        (with_process("w1", clock_off_s=-3.0), "clocks", "warning", "3.0 s behind that of Redis"),
        (with_process("i1", clock_off_s=3.0), "clocks", "warning", "3.0 s ahead of that of Redis"),
        (with_process("w1", clock_off_s=3.0, took_s=6.0), "clocks", None, ""),
        (
            with_process("w1", "process_open_fds 80000\n"),
            "file-descriptors",
            "error",
            "80020 of 1024 files",
        ),
        (
            replace(HEALTHY, processes=(a_process("i1", WORKER), *HEALTHY.processes[1:])),
            "file-descriptors",
            "warning",
            "may have 1024 files",
        ),
        (
            with_process("i1", "trunkline_listen_backlog 9000\n"),
            "listen-queue",
            "warning",
            "somaxconn is 4096, below --backlog 10024",
        ),
        (
            replace(with_server(), machine=MachineFacts("host", 128, 1, "never")),
            "listen-queue",
            "note",
            "somaxconn is 128",
        ),
        (replace(HEALTHY, machine=MachineFacts(huge_pages="always")), "kernel", "warning", "huge pages"),
        (
            replace(with_server({"used_memory_rss": 600_000_000}), machine=MachineFacts(overcommit=0)),
            "kernel",
            "warning",
            "overcommit_memory is 0",
        ),
        # processes
        (replace(HEALTHY, processes=HEALTHY.processes[:1]), "missing", "error", "no worker holds a lease"),
        (replace(HEALTHY, processes=HEALTHY.processes[1:]), "missing", "error", "nobody can connect"),
        (with_process("w1", error="no answer within 3 s"), "silent", "error", "'def' handler holds its event loop"),
        (with_process("i1", error="no answer within 3 s"), "silent", "error", "does not answer (no answer"),
        (with_process("w1", error="Cannot connect to host 127.0.0.1:1"), "silent", "error", "just died, or runs in a"),
        (
            with_process("w1", error="refused", lease=a_lease("w1", host="elsewhere")),
            "silent",
            "note",
            "of another machine",
        ),
        (
            with_process("w1", error="refused", lease=a_lease("w1", "10.0.0.1:1", host="elsewhere")),
            "silent",
            "error",
            "holds its event loop",
        ),
        (with_process("w1", "trunkline_loop_lag_seconds 0.6\n"), "loop-lag", "warning", "late by 0.6 s"),
        (with_process("i1", "trunkline_loop_lag_seconds 2.5\n"), "loop-lag", "error", "late by 2.5 s"),
        (with_process("i1", "process_cpu_seconds_total 0.95\n"), "saturated", "error", "all 1 that answer"),
        (with_process("w1", "process_cpu_seconds_total 0.95\n"), "saturated", None, ""),
        (with_server(leases={"i1": -0.2}), "lease", "error", "ended 0.2 s ago"),
        (with_server(leases={"w9": -0.2}), "lease", "error", "suspected to be dead"),
        (with_server(leases={"w1": 0.2}), "lease", "warning", "ends in 0.2 s"),
        (with_server(leases={"i1": 0.5}), "lease", "warning", "ends in 0.5 s"),
        (
            replace(HEALTHY, processes=(a_process("i1", "trunkline_redis_up 0\n"), *HEALTHY.processes[1:])),
            "redis-away",
            "error",
            "Redis does not answer it",
        ),
        (replace(HEALTHY, mailboxes={"i1": 2500}), "mailbox", "error", "2500 of at most 4000"),
        (
            replace(
                with_process("i1", "trunkline_mailbox_lag_seconds 0.7\n"), mailboxes={"i1": 1500}
            ),
            "mailbox",
            "warning",
            "0.7 s behind",
        ),
        (
            replace(with_process("i1", "trunkline_mailbox_lag_seconds 9\n"), mailboxes={"i1": 1500}),
            "mailbox",
            "error",
            "9.0 s behind",
        ),
        (with_process("i1", "trunkline_mailbox_lag_seconds 9\n"), "mailbox", None, ""),
        (
            replace(with_process("i1", "trunkline_largest_group 5000\n"), hot_group=HotGroup("all", 20, 0.8)),
            "hot-group",
            "warning",
            "80 % of what was posted",
        ),
        (
            replace(with_process("i1", "trunkline_messages_out_total 6000\n"), hot_group=HotGroup("all", 20, 0.8)),
            "hot-group",
            "warning",
            "6,000 frames a second",
        ),
        (replace(HEALTHY, hot_group=HotGroup("all", 20, 0.8)), "hot-group", None, ""),
        (replace(HEALTHY, hot_group=HotGroup("all", 20, 0.1)), "hot-group", None, ""),
        (
            with_process("w1", lease=a_lease("w1", version="0.2.0")),
            "versions",
            "warning",
            "0.1.0 (2 of 3), 0.2.0 (1 of 3)",
        ),
        (with_process("w1", lease=a_lease("w1", code="")), "code-versions", "note", "unknown (1 of 2)"),
        # queues
        (with_channel(served_by=0, oldest_s=3.0), "unserved", "error", "5 entries wait, the oldest for 3 s"),
        (with_channel(served_by=None, oldest_s=8.0), "unserved", "error", "no worker reads it"),
        (with_channel(served_by=None, oldest_s=3.0), "unserved", None, ""),
        (with_channel(served_by=None, oldest_s=8.0, handled_per_s=1.0), "unserved", None, ""),
        (with_channel(served_by=0, waiting=0), "unserved", None, ""),
        (with_channel(waiting=850), "queue", "error", "85 % of --capacity"),
        (with_channel(wait_s=1.5), "queue", "warning", "the oldest for 1.5 s"),
        (with_channel(wait_s=1.5, growth_per_s=40.0), "queue", "error", "and 40 more each second"),
        (with_channel(wait_s=1.5, served_by=0), "queue", None, ""),
        (replace(HEALTHY, dead_letters=4), "dead-letters", "note", "4 dead letters are kept"),
        (replace(HEALTHY, dead_letters=1), "dead-letters", "note", "1 dead letter is kept"),
        (
            replace(
                HEALTHY,
                dead_letters=4,
                dead_letters_per_s=2.0,
                routes=(RouteFacts("app.bad", 9, 4.5, 0.1, 0.2, 4, 9), *HEALTHY.routes),
            ),
            "dead-letters",
            "error",
            "2.0 dead letters a second, of app.bad (4 just now)",
        ),
        (replace(HEALTHY, dead_letters_per_s=2.0), "dead-letters", "error", "2.0 dead letters a second"),
        (replace(HEALTHY, dead_letters_trimmed=3), "dead-letters", "warning", "3 dead letters made room"),
        (
            with_process(
                "i1", 'trunkline_turned_away_total{reason="rate"} 9\ntrunkline_turned_away_total{reason="busy"} 1\n',
                'trunkline_turned_away_total{reason="busy"} 1\n',
            ),
            "turned-away",
            "warning",
            "rate (9)",
        ),
        (with_process("i1", 'trunkline_turned_away_total{reason="rate"} 9\n', None), "turned-away", None, ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_with_its_fix(
    facts: Facts, check: str, severity: str | None, what: str
) -> None:
    findings = found(facts, check)

    if severity is None:
        assert findings == []
        return
    (finding, *_) = findings
    assert finding.severity == severity, finding
    assert what in finding.what, finding
    assert finding.fix and finding.where


@pytest.mark.parametrize(
    "facts",
    [
        # What was refused is what the doctor itself asked; or refused for another reason.
        since(
            {"errorstat_NOPERM": {"count": 1}},
            errorstat_NOPERM={"count": 4},
            **{"cmdstat_config|get": {"calls": 0, "usec": 0, "rejected_calls": 3}},
        ),
        since({}, cmdstat_zadd={"calls": 0, "usec": 0, "rejected_calls": 3}),
        # A command that was slow long ago, or not slow; a process that does not tell its time.
        with_server(slow=(SlowCommand(1.0, 0.2, "KEYS *"), SlowCommand(990.0, 0.01, "GET x"))),
        with_process("w1", clock_off_s=None),
        # The same of a Redis elsewhere: it has another kernel.
        replace(
            with_server({"used_memory_rss": 600_000_000}, local=False),
            machine=MachineFacts("host", 128, 0, "always"),
        ),
        with_server({"maxmemory": 0, "total_system_memory": 0}),
        with_server(config={}),
        with_server(clients={"trunkline-mailbox": 5}),
    ],
)
def test_what_is_not_wrong_is_not_found(facts: Facts) -> None:
    assert found(facts) == []


def test_two_interface_servers_on_one_machine_tell_its_kernel_once() -> None:
    few = INTERFACE.replace("somaxconn 4096", "somaxconn 128")
    facts = replace(HEALTHY, processes=(a_process("i1", few), a_process("i2", few), *HEALTHY.processes[1:]))

    assert len(found(facts, "listen-queue")) == 1


def test_the_worst_comes_first() -> None:
    facts = replace(with_server({"maxmemory_policy": "allkeys-lru", "aof_enabled": 0}), dead_letters=1)

    assert [finding.severity for finding in found(facts)] == ["error", "warning", "note"]


def test_a_redis_that_is_away_is_all_that_is_found() -> None:
    (finding,) = found(Facts(1.0, unavailable="Redis at redis://host: Connection refused"))

    assert finding.check == "redis" and "--redis-url" in finding.fix


@pytest.mark.parametrize(
    "said", ["user 'x' may not run TIME: NOPERM", "user 'x' is not let in, its password …"]
)
def test_a_redis_that_refuses_us_is_mended_in_the_url(said: str) -> None:
    (finding,) = found(Facts(1.0, unavailable=f"Redis at redis://host: {said}"))

    assert "docs/redis.md" in finding.fix


def test_the_busiest_part_is_named_first() -> None:
    facts = replace(
        since({}, used_cpu_user_main_thread=1.4),
        processes=(a_process("i1", error="no answer"), a_process("w1", "process_cpu_seconds_total 0.5\n")),
    )

    assert busiest_text(facts) == "workers 50 %, Redis 20 %"
    two = replace(facts, servers=tuple(replace(facts.servers[0], shard=shard) for shard in range(2)))
    assert [name for name, _ in busiest(two)] == ["workers", "shard 0", "shard 1"]


def sharded() -> Facts:
    """Two shards, and nothing wrong."""
    servers = tuple(replace(HEALTHY.servers[0], shard=shard) for shard in range(2))
    return replace(HEALTHY, servers=servers)


def test_what_is_wrong_with_a_shard_is_said_of_that_shard() -> None:
    first, second = sharded().servers
    full = replace(second, info={**second.info, "maxmemory_policy": "allkeys-lru", "used_memory": 96_000_000})
    slow = replace(second, round_trip_s=0.3)
    facts = replace(sharded(), servers=(first, full))

    assert found(sharded()) == []
    assert {finding.where for finding in diagnose(facts, SETTINGS)} == {f"shard 1, {second.name}"}
    assert {finding.check for finding in diagnose(facts, SETTINGS)} == {"eviction", "memory"}
    (finding,) = diagnose(replace(sharded(), servers=(first, slow)), SETTINGS)
    assert (finding.check, finding.where) == ("slow-answers", f"shard 1, {second.name}")
    assert "300 ms" in finding.what
    assert busiest(sharded())[-1][0].startswith(("shard", "workers", "interface"))


def test_a_shard_that_is_away_is_named_and_processes_that_miss_it_are_not_besides() -> None:
    missing = tuple(
        replace(process, now=Samples('trunkline_shard_up{shard="1"} 0\ntrunkline_redis_up 0\n'), before=None)
        for process in HEALTHY.workers
    )
    facts = replace(sharded(), servers=sharded().servers[:1], away={1: "Redis at redis://b: refused"})

    (finding,) = diagnose(facts, SETTINGS)
    assert (finding.check, finding.where, finding.what) == ("redis", "shard 1", "Redis at redis://b: refused")
    assert "newcomers use the other shards" in finding.fix
    cut_off = replace(facts, processes=(*HEALTHY.interfaces, *missing))
    assert "redis-away" not in [one.check for one in diagnose(cut_off, SETTINGS)]
    told = [one for one in diagnose(replace(cut_off, away={}), SETTINGS) if one.check == "redis-away"]
    assert len(told) == len(missing) and all("shard 1 does not answer it" in one.what for one in told)


def test_a_process_that_is_not_on_every_shard_is_named() -> None:
    lacking = replace(HEALTHY.workers[0], lacks=(1,))
    facts = replace(sharded(), processes=(*HEALTHY.interfaces, lacking))

    (finding,) = diagnose(facts, SETTINGS)

    assert (finding.check, finding.severity) == ("not-on-shard", "warning")
    assert finding.what == "it holds no lease on shard 1"


def test_bounds_are_those_of_one_shard_and_the_shard_is_named() -> None:
    full = ChannelFacts("jobs", waiting=1200, in_work=0, served_by=1, fullest=900, fullest_shard=1)
    half = replace(full, fullest=600)
    late = replace(half, wait_s=3.0, wait_shard=0)
    interface = HEALTHY.interfaces[0]

    (finding,) = diagnose(replace(sharded(), channels=(full,)), SETTINGS)
    assert "900 entries on shard 1, 90 % of --capacity" in finding.what
    assert found(replace(sharded(), channels=(half,))) == []
    (finding,) = diagnose(replace(sharded(), channels=(late,)), SETTINGS)
    assert "the oldest for 3.0 s on shard 0" in finding.what
    boxes = replace(sharded(), mailboxes={interface.id: 3000}, mailboxes_on={interface.id: 1})
    (finding,) = diagnose(boxes, SETTINGS)
    assert "its mailbox on shard 1, which holds 3000" in finding.what


def test_a_lease_that_ends_is_told_with_its_shard() -> None:
    first, second = sharded().servers
    ending = replace(second, leases={HEALTHY.workers[0].id: -2.0})

    (finding,) = diagnose(replace(sharded(), servers=(first, ending)), SETTINGS)

    assert finding.where.endswith(", shard 1")
