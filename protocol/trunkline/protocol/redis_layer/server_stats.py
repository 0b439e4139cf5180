"""What a Redis says about itself that is worth a metric, and whose clock is ahead of whose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..messages import ServerStats


def server_stats(shard: str, info: Mapping[str, Any]) -> ServerStats:
    """Reads the answer to ``INFO`` (https://redis.io/docs/latest/commands/info/), as redis-py takes it apart.

    Args:
        shard: number of the shard that this Redis holds.
        info: the answer. What an older or other server does not tell is 0.
    """

    def number(name: str) -> float:
        value = info.get(name, 0)
        return float(value) if isinstance(value, int | float) else 0.0

    appends = bool(number("aof_enabled"))
    return ServerStats(
        shard=shard,
        memory_bytes=int(number("used_memory")),
        memory_limit_bytes=int(number("maxmemory")),
        cpu_s=number("used_cpu_sys") + number("used_cpu_user"),
        commands=int(number("total_commands_processed")),
        clients=int(number("connected_clients")),
        append_failing=appends and info.get("aof_last_write_status") != "ok",
    )


def skew_s(asked_s: float, redis_s: float, answered_s: float) -> float:
    """How far this machine's clock is ahead of Redis', at the least.

    Args:
        asked_s: Unix time here, just before Redis was asked for its own.
        redis_s: Unix time that Redis told.
        answered_s: Unix time here, when the answer was read.

    Returns:
        0 where Redis' time lies between the two.
    """
    return max(asked_s - redis_s, 0.0) + min(answered_s - redis_s, 0.0)
