"""What the page shows of the facts: the figures that it has a place for, with what is not known as None. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

Json = Mapping[str, Any]

SLOWEST: Final = 12
"""Routes in the table."""
CHANNELS: Final = 40
"""Channels in the table: those that most waits in. An application may have a thousand."""
PROCESSES: Final = 200
"""Processes in the table. Beyond that a page is no help, and Grafana is."""
NAME: Final = 200
"""Characters of a name; an application may choose what it likes."""


def shown(facts: Json, messages: Iterable[Json] = (), findings: Iterable[Json] = ()) -> dict[str, Any]:
    """The event ``facts`` of the page.

    Args:
        facts: as `process.facts.Facts.as_json` gives them.
        messages: sampled, as the page draws them.
        findings: of the doctor.
    """
    at_s, span_s = facts["at_s"], facts["span_s"]
    channels = sorted(facts["channels"], key=lambda channel: -channel["waiting"])
    return {
        "trouble": facts["unavailable"][:1_000],
        "away": [{"shard": one["shard"], "why": one["why"][:NAME]} for one in facts["away"]],
        "totals": _totals(facts, channels),
        "processes": [
            *(_process(process, at_s) for process in facts["processes"][:PROCESSES]),
            *(_server(server) for server in facts["servers"]),
        ],
        "channels": [_channel(channel) for channel in channels[:CHANNELS]],
        "routes": [_route(route, span_s) for route in facts["routes"] if route["count"]][:SLOWEST],
        "findings": list(findings),
        "messages": list(messages),
    }


def _totals(facts: Json, channels: Sequence[Json]) -> dict[str, Any]:
    rates, span_s = facts["rates"], facts["span_s"]
    waits_s = [channel["wait_s"] for channel in channels if channel["wait_s"] is not None]
    known = not facts["unavailable"]
    totals: dict[str, Any] = {
        "in_per_s": rates["frames_in"],
        "handled_per_s": rates["events"],
        "out_per_s": rates["frames_out"],
        "connections": facts["connections"],
        "waiting": sum(channel["waiting"] for channel in channels),
        "wait_s": max(waits_s, default=0.0),
        "failed_per_s": sum(_per_s(route["errors"], span_s) or 0.0 for route in facts["routes"]),
        "dead_letters": facts["dead_letters"],
    }
    return {
        "at_s": facts["at_s"],
        **{name: _number(value) if known else None for name, value in totals.items()},
    }


def _process(process: Json, at_s: float) -> dict[str, Any]:
    answers = not process["error"]
    interface = process["role"] == "interface"
    figures = {
        "busy": process["connections"] if interface else process["busy"],
        "room": None if interface else process["slots"],
        "per_s": process["messages_per_s"],
        "cpu": process["cpu_cores"],
        "memory_bytes": process["memory_bytes"],
        "lag_s": process["lag_s"],
    }
    return {
        "id": process["id"],
        "role": process["role"],
        "host": process["host"][:NAME],
        "pid": process["pid"],
        "answers": answers,
        "error": process["error"][:NAME],
        "uptime_s": max(0.0, at_s - process["started_s"]),
        **{name: _number(value) if answers else None for name, value in figures.items()},
    }


def _server(server: Json) -> dict[str, Any]:
    shard = "" if server["shard"] is None else f"shard {server['shard']} "
    return {
        "id": (shard + server["name"])[:NAME],
        "role": "redis",
        "host": server["version"],
        "pid": None,
        "answers": True,
        "error": "",
        "uptime_s": None,
        "busy": _number(server["clients"]),
        "room": None,
        "per_s": _number(server["commands_per_s"]),
        "cpu": _number(server["cpu_cores"]),
        "memory_bytes": _number(server["memory_bytes"]),
        "lag_s": _number(server["round_trip_s"]),
    }


def _channel(channel: Json) -> dict[str, Any]:
    return {
        "name": channel["channel"][:NAME],
        "waiting": channel["waiting"],
        "in_work": channel["in_work"],
        "per_s": _number(channel["handled_per_s"]),
        "wait_s": _number(channel["wait_s"]),
        "mean_wait_s": _number(channel["taken_wait_s"]),
        "p99_wait_s": _number(channel["taken_p99_s"]),
    }


def _route(route: Json, span_s: float) -> dict[str, Any]:
    return {
        "name": route["route"][:NAME],
        "per_s": _number(route["per_s"]),
        "mean_s": _number(route["mean_s"]),
        "p99_s": _number(route["p99_s"]),
        "failed_per_s": _number(_per_s(route["errors"], span_s)),
    }


def _per_s(count: float, span_s: float) -> float | None:
    return count / span_s if span_s > 0 else None


def _number(value: float | None) -> float | None:
    """A number that JSON can write, or None."""
    return value if value is not None and math.isfinite(value) else None
