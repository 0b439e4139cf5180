"""What of the facts the page shows: with places for what nobody knows, and bounds."""

from __future__ import annotations

import json
from typing import Any

from trunkline.protocol.dashboard.shown import CHANNELS, NAME, PROCESSES, SLOWEST, shown

HOSTILE = "<img src=x onerror=alert(1)>"


def facts(**changes: Any) -> dict[str, Any]:
    return {
        "at_s": 1_000.0, "span_s": 2.0, "unavailable": "", "connections": 7,
        "rates": {"frames_in": 10.0, "frames_out": 20.0, "events": 9.0},
        "servers": [], "away": [], "processes": [], "channels": [], "routes": [], "dead_letters": 3,
        **changes,
    }  # fmt: skip


def process(role: str = "worker", **changes: Any) -> dict[str, Any]:
    return {
        "id": "w1", "role": role, "host": "here", "pid": 5, "started_s": 400.0, "error": "", "connections": 12,
        "slots": 64, "busy": 1.5, "messages_per_s": 3.0, "cpu_cores": 0.5, "memory_bytes": 1e6, "lag_s": 0.01,
        **changes,
    }  # fmt: skip


def channel(name: str = "websocket.receive", **changes: Any) -> dict[str, Any]:
    return {
        "channel": name, "waiting": 4, "in_work": 2, "wait_s": 0.5, "handled_per_s": 9.0, "taken_wait_s": None,
        "taken_p99_s": 0.2, **changes,
    }  # fmt: skip


def route(name: str = "app.echo", **changes: Any) -> dict[str, Any]:
    return {
        "route": name, "count": 8.0, "per_s": 4.0, "mean_s": 0.1, "p99_s": 0.4, "errors": 1.0, **changes
    }  # fmt: skip


def test_a_shard_that_is_away_is_told_and_a_redis_is_called_by_its_shard() -> None:
    server = {
        "name": "redis://host", "shard": 1, "version": "Redis 7", "clients": 1.0, "commands_per_s": 2.0,
        "cpu_cores": 0.1, "memory_bytes": 5.0, "round_trip_s": 0.001,
    }  # fmt: skip
    found = shown(facts(servers=[server, {**server, "shard": None}], away=[{"shard": 0, "why": "x" * 999}]))

    assert [one["id"] for one in found["processes"]] == ["shard 1 redis://host", "redis://host"]
    assert found["away"] == [{"shard": 0, "why": "x" * NAME}]


def test_totals_are_of_the_cluster() -> None:
    found = shown(
        facts(channels=[channel(), channel("b", waiting=1, wait_s=None)], routes=[route(), route("b")])
    )

    assert found["totals"] == {
        "at_s": 1_000.0, "in_per_s": 10.0, "handled_per_s": 9.0, "out_per_s": 20.0, "connections": 7, "waiting": 5,
        "wait_s": 0.5, "failed_per_s": 1.0, "dead_letters": 3,
    }  # fmt: skip
    assert found["trouble"] == ""


def test_without_redis_nothing_is_known_but_why() -> None:
    found = shown(facts(unavailable="Redis is away", connections=0))

    assert found["trouble"] == "Redis is away"
    assert {value for key, value in found["totals"].items() if key != "at_s"} == {None}


def test_a_worker_is_busy_with_slots_and_an_interface_server_with_connections() -> None:
    worker, interface = shown(facts(processes=[process(), process("interface")]))["processes"]

    assert (worker["busy"], worker["room"], worker["uptime_s"]) == (1.5, 64, 600.0)
    assert (interface["busy"], interface["room"]) == (12, None)


def test_of_a_process_that_does_not_answer_no_figures_are_made_up() -> None:
    (silent,) = shown(facts(processes=[process(error="no answer within 3 s", started_s=2_000.0)]))[
        "processes"
    ]

    assert (silent["answers"], silent["error"], silent["uptime_s"]) == (False, "no answer within 3 s", 0.0)
    assert {silent[key] for key in ("busy", "room", "per_s", "cpu", "memory_bytes", "lag_s")} == {None}


def test_redis_stands_among_the_processes() -> None:
    server = {
        "name": "redis://host:6379/0", "shard": None, "version": "Redis 7.2", "clients": 9.0, "commands_per_s": 100.0,
        "cpu_cores": 0.3, "memory_bytes": 5e6, "round_trip_s": 0.001,
    }  # fmt: skip
    (found,) = shown(facts(servers=[server]))["processes"]

    assert (found["id"], found["role"], found["host"]) == ("redis://host:6379/0", "redis", "Redis 7.2")
    assert (found["busy"], found["per_s"], found["lag_s"], found["uptime_s"]) == (9.0, 100.0, 0.001, None)


def test_channels_stand_by_what_waits_and_routes_as_they_came() -> None:
    found = shown(
        facts(
            channels=[channel("a", waiting=1), channel("b", waiting=9)],
            routes=[route("slow"), route("idle", count=0.0), route("fast")],
        )
    )

    assert [item["name"] for item in found["channels"]] == ["b", "a"]
    assert [item["name"] for item in found["routes"]] == ["slow", "fast"]
    assert found["routes"][0]["failed_per_s"] == 0.5 and found["channels"][0]["mean_wait_s"] is None


def test_at_a_first_look_no_failures_a_second_are_known() -> None:
    found = shown(facts(span_s=0.0, routes=[route()]))

    assert found["routes"][0]["failed_per_s"] is None and found["totals"]["failed_per_s"] == 0.0


def test_what_is_no_number_is_not_known_and_all_of_it_is_json() -> None:
    found = shown(facts(processes=[process(cpu_cores=float("nan"), lag_s=float("inf"))]))

    assert (found["processes"][0]["cpu"], found["processes"][0]["lag_s"]) == (None, None)
    json.dumps(found, allow_nan=False)


def test_everything_is_bounded() -> None:
    found = shown(
        facts(
            unavailable="x" * 5_000,
            processes=[process(host="h" * 999)] * 999,
            channels=[channel("c" * 999)] * 999,
            routes=[route("r" * 999)] * 999,
        )
    )

    sizes = [len(found[key]) for key in ("processes", "channels", "routes", "trouble")]
    assert sizes == [PROCESSES, CHANNELS, SLOWEST, 1_000]
    assert {len(found["channels"][0]["name"]), len(found["routes"][0]["name"])} == {NAME}


def test_names_are_passed_on_as_they_are_and_what_others_found_too() -> None:
    message, finding = {"id": "m"}, {"title": HOSTILE}
    found = shown(facts(channels=[channel(HOSTILE)], routes=[route(HOSTILE)]), [message], [finding])

    assert found["channels"][0]["name"] == found["routes"][0]["name"] == HOSTILE
    assert (found["messages"], found["findings"]) == ([message], [finding])
