"""``trunkline status``: every process of the cluster, its channels, its dead letters, its Redis."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from trunkline.protocol.errors import ConfigError, LayerUnavailable
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.messages import ClusterStats, LeaseInfo
from trunkline.protocol.redis_url import without_secrets
from trunkline.protocol.sharding.asking import said

from . import supervisor
from .cluster import leases_here, scrape, server_info_of_some, stats_of
from .failures import refuse
from .rundir import ClusterState, RunDir
from .running import NotRunning, running
from .settings import StatusSettings

MESSAGES = {
    "interface": ("trunkline_messages_in_total", "trunkline_messages_out_total"),
    "worker": ("trunkline_messages_total",),
    "canary": ("trunkline_messages_total",),
}
"""The counters whose growth is a role's messages a second."""

CONNECTIONS = "trunkline_connections"
SHOWN_EXITS = 5


def run(settings: StatusSettings) -> int:
    """Prints the status; its exit code says whether everything that should run does."""
    run_dir = RunDir(settings.run_dir)
    try:
        state = running(run_dir)
    except NotRunning as error:
        return refuse("status", error, ExitCode.NOT_RUNNING)
    except ConfigError as error:
        return refuse("status", error, ExitCode.FAILED)
    report = asyncio.run(gather(run_dir, state, settings.interval_s))
    print(json.dumps(report, indent=2) if settings.as_json else "\n".join(table(report)))
    return ExitCode.OK if report["healthy"] else ExitCode.FAILED


async def gather(run_dir: RunDir, state: ClusterState, interval_s: float) -> dict[str, Any]:
    """Asks Redis and every process."""
    members = supervisor.members(state.cluster)
    redis: dict[str, Any] = {"url": without_secrets(state.layer["redis_url"]), "own": state.own_redis}
    stats = ClusterStats([], [], [], 0, {})
    try:
        stats = await stats_of(state.layer_settings())
        servers = await server_info_of_some(state.layer_settings())
        redis |= servers[0] | {"url": redis["url"]}
        if len(servers) > 1:
            redis["shards"] = servers
            silent = {shard: one["error"] for shard, one in enumerate(servers) if "error" in one}
            away = {**stats.away, **silent}
            redis.pop("error", None)
            if away:
                redis["error"] = said(away)
    except LayerUnavailable as error:
        redis["error"] = str(error)
    leases = {lease.pid: lease for lease in leases_here(_all(stats), {member.pid for member in members})}
    elsewhere = [lease for lease in _all(stats) if lease not in leases.values()]
    figures = await _figures([lease.admin for lease in _all(stats)], interval_s)
    processes = [_process(member, leases.get(member.pid), figures) for member in members]
    processes += [_remote(lease, figures) for lease in elsewhere]
    numbers = {role: sum(1 for m in members if m.role == role and m.pid in leases) for role in MESSAGES}
    wanted = {role: state.wanted(role) for role in MESSAGES}
    return {
        # Without circusd nobody replaces what dies.
        "healthy": numbers == wanted and "error" not in redis and any(m.role == "circusd" for m in members),
        "routing": state.routing,
        "address": f"{state.host}:{state.port}",
        "dashboard": _dashboard(state, stats),
        "uptime_s": round(time.time() - state.started_s, 1),
        "wanted": wanted,
        "processes": processes,
        "channels": [channel._asdict() for channel in stats.channels],
        "mailboxes": dict(stats.mailbox_lengths),
        "dead_letters": stats.dead_letters,
        "dead_letters_trimmed": stats.dead_trimmed,
        "redis": redis,
        "prometheus": state.prometheus,
        "exits": [
            {"time_s": e.time_s, "role": e.role, "pid": e.pid, "exit_code": e.exit_code, "then": e.then}
            for e in run_dir.exits()[-SHOWN_EXITS:]
        ],
        "run_dir": str(run_dir.path),
    }


def _dashboard(state: ClusterState, stats: ClusterStats) -> str | None:
    """Address of the page that shows all this live, None without one."""
    if not state.asked.get("dashboard") or not stats.interfaces:
        return None
    return f"http://{stats.interfaces[0].admin}/dashboard"


def _all(stats: ClusterStats) -> list[LeaseInfo]:
    return [*stats.interfaces, *stats.workers]


async def _figures(admins: Iterable[str], interval_s: float) -> dict[str, dict[str, float]]:
    """Metrics of each process, with ``per_s`` from two looks at its counters."""
    addresses = list(admins)
    first = await scrape(addresses)
    began_s = time.monotonic()
    await asyncio.sleep(interval_s)
    second = await scrape(addresses)
    took_s = time.monotonic() - began_s
    figures = {}
    for admin, now in second.items():
        names = [name for role in MESSAGES.values() for name in role]
        grown = sum(now.get(name, 0.0) - first.get(admin, {}).get(name, 0.0) for name in names)
        figures[admin] = {**now, "per_s": max(0.0, grown) / took_s}
    return figures


def _process(
    member: supervisor.Member, lease: LeaseInfo | None, figures: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    found = {"pid": member.pid, "role": member.role, "uptime_s": round(time.time() - member.started_s, 1)}
    if member.role in MESSAGES:
        found["state"] = "running" if lease else "no lease"
    return found | (_leased(lease, figures) if lease else {})


def _remote(lease: LeaseInfo, figures: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """A process of the same cluster that this supervisor did not start: `make worker`, another machine."""
    uptime_s = round(time.time() - lease.started_s, 1)
    found = {
        "pid": lease.pid,
        "role": lease.role,
        "uptime_s": uptime_s,
        "state": f"started by hand on {lease.host}",
    }
    return found | _leased(lease, figures)


def _leased(lease: LeaseInfo, figures: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    seen = figures.get(lease.admin) or {}
    found: dict[str, Any] = {"id": lease.id, "admin": lease.admin, "detail": lease.detail}
    if lease.role == "worker":
        found["code_version"] = lease.code
    if seen:
        found["messages_per_s"] = round(seen["per_s"], 1)
    if lease.role == "interface" and CONNECTIONS in seen:
        found["connections"] = int(seen[CONNECTIONS])
    return found


def table(report: Mapping[str, Any]) -> list[str]:
    """The report for people."""
    wanted = report["wanted"]
    redis = report["redis"]
    version = f" {redis['redis_version']}" if "redis_version" in redis else ""
    primary = f", now {redis['primary']}" if "primary" in redis else ""
    lines = [
        f"{report['routing']} at {report['address']}, up {duration(report['uptime_s'])}; "
        f"wanted: {wanted['interface']} interface servers, {wanted['worker']} workers"
        + (f", {wanted['canary']} of a canary" if wanted["canary"] else ""),
        *_redis(redis, f"{version} at {redis['url']}{primary}"),
        *([f"live at {report['dashboard']}"] if report.get("dashboard") else []),
        *_prometheus(report),
        "",
        f"{'PID':>8} {'ROLE':10} {'ID':16} {'UPTIME':>9} {'CONNECTIONS':>12} {'MESSAGES/S':>11}  STATE",
    ]
    for process in report["processes"]:
        lines.append(
            f"{process['pid']:>8} {process['role']:10} {process.get('id', '-'):16} "
            f"{duration(process['uptime_s']):>9} {process.get('connections', '-'):>12} "
            f"{process.get('messages_per_s', '-'):>11}  {process.get('state', '')}".rstrip()
        )
    width = max((len(channel["channel"]) for channel in report["channels"]), default=0)
    width = max(width, 32)  # room for the usual ones, so that the columns stand where they did
    lines += ["", f"{'CHANNEL':{width}} {'QUEUED':>8} {'IN WORK':>8} {'OLDEST':>9}"]
    for channel in report["channels"]:
        waiting = channel["length"] - channel["pending"]
        lines.append(
            f"{channel['channel']:{width}} {waiting:>8} {channel['pending']:>8} {duration(channel['oldest_s']):>9}"
        )
    lines += ["", *_code(report["processes"])]
    lines.append(f"dead letters: {report['dead_letters']}" + _hint(report))
    for ended in report["exits"]:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ended["time_s"]))
        lines.append(
            f"{when} {ended['role']} [{ended['pid']}] ended with {ended['exit_code']}: {ended['then']}"
        )
    if not any(process["role"] == "circusd" for process in report["processes"]):
        lines.append(
            "circusd was killed: nobody replaces what ends; 'trunkline up' stops the rest and starts anew"
        )
    if not report["healthy"]:
        lines.append("NOT HEALTHY: see above, and 'trunkline logs'")
    return lines


def _redis(redis: Mapping[str, Any], only: str) -> list[str]:
    """A line for the Redis, or one for each shard."""
    shards = redis.get("shards")
    if not shards:
        return [f"Redis{only}" + (f": {redis['error']}" if "error" in redis else "")]
    return [
        f"shard {shard}: " + (f"does not answer: {one['error']}" if "error" in one else _server(one))
        for shard, one in enumerate(shards)
    ]


def _server(one: Mapping[str, str]) -> str:
    primary = f", now {one['primary']}" if "primary" in one else ""
    return f"Redis {one.get('redis_version', '?')} at {one['url']}{primary}"


def _prometheus(report: Mapping[str, Any]) -> list[str]:
    if not report["prometheus"]:
        return []
    runs = any(process["role"] == "prometheus" for process in report["processes"])
    return [f"Prometheus at {report['prometheus']}" + ("" if runs else ": does not run; see its log")]


def _code(processes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Which versions of the application's code the workers run; nothing if nobody knows."""
    versions = Counter(process["code_version"] for process in processes if "code_version" in process)
    if not any(versions):
        return []
    if len(versions) == 1:
        return [f"code of the workers: {next(iter(versions))}"]
    told = ", ".join(f"{name or 'unknown'} ({count})" for name, count in versions.most_common())
    return [f"the workers run different code: {told}"]


def _hint(report: Mapping[str, Any]) -> str:
    lost = report["dead_letters_trimmed"]
    hint = "; 'trunkline dead list' shows them" if report["dead_letters"] else ""
    return hint + (f"; {lost} older ones made room for newer, see --dead-capacity" if lost else "")


def duration(seconds: float) -> str:
    """A span of time as people read it: ``12s``, ``3m05s``, ``2h07m``, ``5d03h``."""
    whole = int(seconds)
    for unit, size, smaller, smaller_size in (
        ("d", 86400, "h", 3600),
        ("h", 3600, "m", 60),
        ("m", 60, "s", 1),
    ):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // smaller_size:02d}{smaller}"
    return f"{whole}s"
