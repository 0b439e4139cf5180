"""The table of ``trunkline status``; the figures themselves are met in test_up."""

from __future__ import annotations

from typing import Any

import pytest

from trunkline.deploy.cluster import sums
from trunkline.deploy.status import duration, table

REPORT: dict[str, Any] = {
    "healthy": True,
    "routing": "chat.routing",
    "address": "127.0.0.1:8000",
    "uptime_s": 61.0,
    "wanted": {"interface": 1, "worker": 1, "canary": 0},
    "processes": [
        {"pid": 10, "role": "circusd", "uptime_s": 61.0},
        {
            "pid": 11,
            "role": "interface",
            "uptime_s": 60.0,
            "state": "running",
            "id": "i1",
            "messages_per_s": 12.5,
            "connections": 3,
        },
        {"pid": 12, "role": "worker", "uptime_s": 60.0, "state": "no lease"},
    ],
    "channels": [{"channel": "websocket.receive", "length": 7, "pending": 2, "oldest_s": 0.4}],
    "dead_letters": 0,
    "dead_letters_trimmed": 0,
    "redis": {"url": "redis://host", "own": False, "redis_version": "7.2.4"},
    "prometheus": "",
    "exits": [],
}


def row(lines: list[str], begin: str) -> list[str]:
    (found,) = [line.split() for line in lines if line.split()[:1] == [begin]]
    return found


def test_each_process_is_a_row() -> None:
    lines = table(REPORT)
    assert row(lines, "11") == ["11", "interface", "i1", "1m00s", "3", "12.5", "running"]
    assert row(lines, "12") == ["12", "worker", "-", "1m00s", "-", "-", "no", "lease"]


def test_the_live_page_is_named_where_there_is_one() -> None:
    address = "http://127.0.0.1:9/dashboard"
    assert f"live at {address}" in table({**REPORT, "dashboard": address})
    assert not any("live at" in line for line in table({**REPORT, "dashboard": None}))


def test_the_address_of_prometheus_is_told_and_whether_it_runs() -> None:
    page = "http://127.0.0.1:9090/"

    def lines(*roles: str) -> list[str]:
        processes = [{"pid": 1, "role": role, "uptime_s": 1.0} for role in roles]
        return [
            line
            for line in table({**REPORT, "prometheus": page, "processes": processes})
            if line.startswith("Prometheus")
        ]

    assert lines("circusd", "prometheus") == [f"Prometheus at {page}"]
    assert lines("circusd") == [f"Prometheus at {page}: does not run; see its log"]
    assert not [line for line in table(REPORT) if line.startswith("Prometheus")]


def test_what_is_in_work_is_not_counted_as_queued() -> None:
    assert row(table(REPORT), "websocket.receive") == ["websocket.receive", "5", "2", "0s"]


def test_dead_letters_come_with_the_command_that_shows_them() -> None:
    assert "dead letters: 3; 'trunkline dead list' shows them" in table({**REPORT, "dead_letters": 3})


def test_letters_that_made_room_for_others_are_told() -> None:
    lines = table({**REPORT, "dead_letters": 3, "dead_letters_trimmed": 7})
    (line,) = [line for line in lines if line.startswith("dead letters: 3; ")]
    assert line.endswith("; 7 older ones made room for newer, see --dead-capacity")


def test_the_code_of_the_workers_is_told_and_when_they_differ() -> None:
    def lines(*versions: str) -> list[str]:
        workers = [{**REPORT["processes"][2], "code_version": version} for version in versions]
        return [line for line in table({**REPORT, "processes": workers}) if "code" in line]

    assert lines("v1", "v1") == ["code of the workers: v1"]
    assert lines("v1", "", "v1") == ["the workers run different code: v1 (2), unknown (1)"]
    assert lines("", "") == []


def test_a_redis_that_is_away_and_a_process_that_died_are_said() -> None:
    exits = [{"time_s": 0.0, "role": "worker", "pid": 9, "exit_code": -9, "then": "started again at once"}]
    redis = {"url": "redis://host", "own": False, "error": "connection refused"}
    text = "\n".join(table({**REPORT, "healthy": False, "redis": redis, "exits": exits}))
    for part in ("connection refused", "worker [9] ended with -9: started again at once", "NOT HEALTHY"):
        assert part in text


def test_each_shard_is_a_line_and_one_that_is_away_says_why() -> None:
    shards = [
        {"url": "redis://a", "redis_version": "7.2.4", "primary": "10.0.0.2:6379"},
        {"url": "redis://b", "error": "connection refused"},
    ]
    redis = {
        "url": "redis://a,redis://b",
        "own": False,
        "shards": shards,
        "error": "shard 1: connection refused",
    }

    lines = table({**REPORT, "redis": redis})

    assert lines[1:3] == [
        "shard 0: Redis 7.2.4 at redis://a, now 10.0.0.2:6379",
        "shard 1: does not answer: connection refused",
    ]


def test_where_sentinel_says_that_the_primary_is_stands_behind_the_url() -> None:
    redis = {**REPORT["redis"], "primary": "10.0.0.2:6379"}
    assert "Redis 7.2.4 at redis://host, now 10.0.0.2:6379" in table({**REPORT, "redis": redis})


def test_a_supervisor_that_was_killed_is_said_with_what_to_do() -> None:
    orphans = [process for process in REPORT["processes"] if process["role"] != "circusd"]
    assert not [line for line in table(REPORT) if "was killed" in line]
    (line,) = [line for line in table({**REPORT, "processes": orphans}) if "was killed" in line]
    assert "'trunkline up'" in line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.9, "0s"), (59.0, "59s"), (60.0, "1m00s"), (3_725.0, "1h02m"), (90_000.0, "1d01h")],
)
def test_a_span_of_time_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_samples_are_summed_over_their_labels() -> None:
    exposition = (
        b'# HELP a_total x\n# TYPE a_total counter\na_total{c="x y",d="{}"} 1.0\na_total{c="z"} 2\nb 1e-3\n'
    )
    assert sums(exposition) == {"a_total": 3.0, "b": 0.001}
