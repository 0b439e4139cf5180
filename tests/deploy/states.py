"""A cluster's state for tests that start none."""

from __future__ import annotations

from typing import Any

from trunkline.deploy.rundir import ClusterState


def a_state(**changes: Any) -> ClusterState:
    """A state in which only what a test is about differs."""
    values: dict[str, Any] = {
        "cluster": "0123456789abcdef",
        "asked": {"module": "chat.routing", "interfaces": 2, "workers": 2, "redis_url": ""},
        "host": "127.0.0.1",
        "port": 8000,
        "routing": "chat.routing",
        "interfaces": 2,
        "workers": 2,
        "own_redis": True,
        "drain_s": 30.0,
        "started_s": 1_767_225_600.0,
        "layer": {"redis_url": "unix:///nowhere/redis.sock"},
    }
    return ClusterState(**{**values, **changes})
