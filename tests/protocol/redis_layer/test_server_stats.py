"""What a Redis says about itself, and its clock."""

from __future__ import annotations

from typing import Any

import pytest

from trunkline.protocol.messages import ServerStats
from trunkline.protocol.redis_layer import RedisOperatorLayer
from trunkline.protocol.redis_layer.server_stats import server_stats, skew_s
from trunkline.protocol.settings import LayerSettings

INFO: dict[str, Any] = {
    "used_memory": 1_000_000,
    "maxmemory": 4_000_000,
    "used_cpu_sys": 1.5,
    "used_cpu_user": 2.0,
    "total_commands_processed": 99,
    "connected_clients": 7,
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
}


def test_its_figures_are_read() -> None:
    assert server_stats("0", INFO) == ServerStats("0", 1_000_000, 4_000_000, 3.5, 99, 7, append_failing=False)


@pytest.mark.parametrize(
    ("changes", "failing"),
    [({"aof_last_write_status": "err"}, True), ({"aof_enabled": 0, "aof_last_write_status": "err"}, False)],
)
def test_a_file_that_cannot_be_written_is_seen_if_there_is_one(
    changes: dict[str, Any], failing: bool
) -> None:
    assert server_stats("0", {**INFO, **changes}).append_failing is failing


def test_what_it_does_not_tell_is_zero() -> None:
    assert server_stats("1", {"used_memory": "much"}) == ServerStats(
        "1", 0, 0, 0.0, 0, 0, append_failing=False
    )


@pytest.mark.parametrize(
    ("asked_s", "redis_s", "answered_s", "expected"),
    [(10.0, 10.5, 11.0, 0.0), (10.0, 9.0, 11.0, 1.0), (10.0, 13.0, 11.0, -2.0), (10.0, 10.0, 10.0, 0.0)],
)
def test_the_skew_is_the_least_that_explains_the_times(
    asked_s: float, redis_s: float, answered_s: float, expected: float
) -> None:
    assert skew_s(asked_s, redis_s, answered_s) == expected


async def test_a_real_redis_tells_them(layer_settings: LayerSettings) -> None:
    operator = RedisOperatorLayer(layer_settings)
    try:
        stats = await operator.stats()
    finally:
        await operator.close()

    (server,) = stats.servers
    assert server.shard == "0"
    assert server.memory_bytes > 100_000 and server.commands > 0 and server.clients > 0 and server.cpu_s > 0
    assert not server.append_failing
    assert abs(stats.skew_s) < 60  # the same clock; a busy machine may still put it back
